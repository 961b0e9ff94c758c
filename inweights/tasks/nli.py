"""Natural language inference: RTE, MNLI in three readings, CommitmentBank; HANS is what they are challenged with.

Label 0 is entailment everywhere. Patterns of Mosbach et al. 2023 (arXiv 2305.16938). With three labels the same
patterns offer the third answer: Maybe beside Yes and No (as PET and LM-BFF do), Neither beside True and False (as lm-eval
does), and the words keep the meaning they have with two labels.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

PAIR = {"premise": ("premise", "sentence1"), "hypothesis": ("hypothesis", "sentence2")}
TWO = ("entailment", "not_entailment")
THREE = ("entailment", "neutral", "contradiction")

TWO_WAY = (
    Prompt("{premise} question: {hypothesis} Yes or No?", ("Yes", "No"), TWO, " answer:", name="gpt-3"),
    Prompt("{premise} {hypothesis} ?", ("Yes", "No"), TWO, name="minimal"),
    Prompt("{premise} \nQuestion: {hypothesis} True or False?", ("True", "False"), TWO, "\nAnswer:", name="eval-harness"),
)
THREE_WAY = (
    Prompt("{premise} question: {hypothesis} Yes, Maybe or No?", ("Yes", "Maybe", "No"), THREE, " answer:", name="gpt-3"),
    Prompt("{premise} {hypothesis} ?", ("Yes", "Maybe", "No"), THREE, name="minimal"),
    Prompt(
        "{premise} \nQuestion: {hypothesis} True, False or Neither?",
        ("True", "Neither", "False"),
        THREE,
        "\nAnswer:",
        name="eval-harness",
    ),
)

HANS = Source(
    folders=("hans", "HANS"),
    files=("ood", "heuristics_evaluation_set", "validation", "dev"),
    domain="out-of-domain",
    labels={"entailment": 0, "non-entailment": 1, "0": 0, "1": 1},
    subset=("heuristic", "subcase"),
    hub=Hub("jhu-cogsci/hans", None, "validation"),
)
# A fresh draw from the authors' generator is not the published file, and its figures must not pass for that file's.
HANS_REGENERATED = replace(HANS, folders=("hans_regenerated",), hub=None)
CHALLENGES = {"hans": HANS, "hans-regenerated": HANS_REGENERATED}


def _rte() -> Preset:
    def source(files: tuple[str, ...], domain: Literal["train", "in-domain"], split: str) -> Source:
        labels = {"entailment": 0, "not_entailment": 1, "0": 0, "1": 1}
        return Source(("rte", "RTE"), files, domain, labels, hub=Hub("nyu-mll/glue", "rte", split))

    sources = {"train": source(TRAIN, "train", "train"), "dev": source(DEV, "in-domain", "validation")}
    # Balanced accuracy of zero-shot, ICL with 16 shots, and both calibrated, 40 examples (`python -m benchmarks patterns`):
    # SmolLM2-135M .47 .53 .52 .51, Gemma-3-270M .62 .54 .48 .61; by gpt-3 .60 .61 .46 .48 and .50 .57 .38 .41.
    return Preset("rte", (TWO_WAY[2], *TWO_WAY[:2]), PAIR, sources | CHALLENGES)


def _cb() -> Preset:
    def source(files: tuple[str, ...], domain: Literal["train", "in-domain"], split: str) -> Source:
        # The hub's integers are in another order than MNLI's.
        labels = {"entailment": 0, "neutral": 1, "contradiction": 2, "0": 0, "1": 2, "2": 1}
        return Source(("cb", "CB"), files, domain, labels, hub=Hub("aps/super_glue", "cb", split))

    sources = {"train": source(TRAIN, "train", "train"), "dev": source(("val", *DEV), "in-domain", "validation")}
    # Balanced accuracy of zero-shot, ICL with 16 shots, and both calibrated, 56 examples (`python -m benchmarks patterns`):
    # by gpt-3 SmolLM2-135M .43 .46 .49 .49, Gemma-3-270M .33 .40 .33 .38; by the other two .20 to .53, .35 on average.
    return Preset("cb", THREE_WAY, PAIR, sources)


def _mnli(
    name: str, prompts: tuple[Prompt, ...], labels: Mapping[str, int], dropped: tuple[str, ...], reads_as: tuple[int, ...]
) -> Preset:
    def source(files: tuple[str, ...], domain: Literal["train", "in-domain"], split: str) -> Source:
        hub = Hub("nyu-mll/glue", "mnli", split)
        return Source(("mnli", "MNLI", "multinli_1.0"), files, domain, labels, dropped, hub=hub)

    matched = ("dev_matched", "validation_matched", "multinli_1.0_dev_matched", "dev_matched_1k_detok", *DEV)
    mismatched = tuple(file.replace("matched", "mismatched") for file in matched if file not in DEV)
    sources = {
        "train": source(("train", "multinli_1.0_train", *TRAIN), "train", "train"),
        "matched": source(matched, "in-domain", "validation_matched"),
        "mismatched": source(mismatched, "in-domain", "validation_mismatched"),
    }
    challenges = {name: replace(hans, reads_as=reads_as) for name, hans in CHALLENGES.items()}
    return Preset(name, prompts, PAIR, sources | challenges)


RTE = _rte()
CB = _cb()
MNLI = _mnli(
    "mnli",
    THREE_WAY,
    {"entailment": 0, "neutral": 1, "contradiction": 2, "0": 0, "1": 1, "2": 2},
    dropped=(),
    reads_as=(0, 1, 1),  # HANS knows two labels: neutral and contradiction are both its non-entailment
)
MNLI_NO_NEUTRAL = _mnli(
    "mnli-no-neutral",
    TWO_WAY,
    {"entailment": 0, "contradiction": 1, "0": 0, "2": 1},
    dropped=("neutral", "1"),
    reads_as=(),
)
MNLI_MERGED = _mnli(
    "mnli-merged",
    TWO_WAY,
    {"entailment": 0, "neutral": 1, "contradiction": 1, "0": 0, "1": 1, "2": 1},
    dropped=(),
    reads_as=(),
)
