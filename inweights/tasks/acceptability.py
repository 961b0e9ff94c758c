"""Acceptability: CoLA, challenged with the sentences of other sources that its authors held out.

Label 0 is unacceptable; the figure of the literature is Matthews' correlation. Patterns of Mosbach et al. 2023
(arXiv 2305.16938). GLUE's and the authors' files have no line of column names.
"""

from typing import Literal

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

LABELS = ("unacceptable", "acceptable")


def _source(files: tuple[str, ...], domain: Literal["train", "in-domain", "out-of-domain"], hub: Hub | None) -> Source:
    ids = {"unacceptable": 0, "acceptable": 1, "0": 0, "1": 1}
    header = ("source", "label", "star", "sentence")
    return Source(("cola", "CoLA", "cola_public/raw"), files, domain, ids, header=header, hub=hub)


COLA = Preset(
    "cola",
    (
        # Balanced accuracy of zero-shot, ICL with 16 shots, and both calibrated, 80 examples (`python -m benchmarks
        # patterns`): SmolLM2-135M .45 .53 .63 .63, Gemma-3-270M .50 .57 .56 .57; by minimal .47 .41 .50 .57 and .57 .52
        # .56 .57. Four more patterns did no better.
        Prompt("grammatical: {sentence} Yes or No?", ("No", "Yes"), LABELS, " answer:", name="gpt-3"),
        Prompt("{sentence} ?", ("No", "Yes"), LABELS, separator=" ", name="minimal"),
    ),
    {"sentence": ("sentence", "text")},
    {
        "train": _source(("in_domain_train", *TRAIN), "train", Hub("nyu-mll/glue", "cola", "train")),
        # GLUE's dev set holds the in-domain and the out-of-domain sentences together; the authors' files keep them apart.
        "dev": _source(("in_domain_dev", *DEV), "in-domain", Hub("nyu-mll/glue", "cola", "validation")),
        "cola-ood": _source(("out_of_domain_dev", "ood"), "out-of-domain", None),
    },
    metric="mcc",
)
