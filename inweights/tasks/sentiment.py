"""Sentiment: SST-2 (film reviews), challenged with CR (product reviews; Hu and Liu 2004). Label 0 is negative.

`it-was` is LM-BFF's pattern (arXiv 2012.15723), `eval-harness` that of lm-eval.
"""

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

LABELS = ("negative", "positive")
_IDS = {"negative": 0, "positive": 1, "0": 0, "1": 1}
_FOLDERS = ("sst2", "SST-2", "sst-2")

SST2 = Preset(
    "sst2",
    (
        # Balanced accuracy of zero-shot, ICL with 16 shots, and both calibrated, 80 examples (`python -m benchmarks
        # patterns`): SmolLM2-135M .78 .79 .79 .83, Gemma-3-270M .62 .80 .85 .89; by it-was .50 .67 .74 .80 and .54 .65
        # .70 .87, where SmolLM2 without examples answers `great` to everything.
        Prompt("Review: {sentence}", LABELS, LABELS, "\nSentiment:", name="review"),
        Prompt("{sentence} It was", ("terrible", "great"), LABELS, name="it-was"),
        Prompt("positive: {sentence} Yes or No?", ("No", "Yes"), LABELS, " answer:", name="gpt-3"),
        Prompt(
            "{sentence}\nQuestion: Is this sentence positive or negative?",
            LABELS,
            LABELS,
            "\nAnswer:",
            name="eval-harness",
        ),
        Prompt("{sentence} ?", ("No", "Yes"), LABELS, name="minimal"),
    ),
    {"sentence": ("sentence", "text")},
    {
        "train": Source(_FOLDERS, TRAIN, "train", _IDS, hub=Hub("nyu-mll/glue", "sst2", "train")),
        "dev": Source(_FOLDERS, DEV, "in-domain", _IDS, hub=Hub("nyu-mll/glue", "sst2", "validation")),
        "cr": Source((*_FOLDERS, "cr", "CR"), ("ood", "cr", "test"), "out-of-domain", _IDS),
    },
)
