"""The tasks of the literature: patterns, verbalizers, label ids and challenge sets, as constants.

Patterns of Mosbach et al. 2023 (arXiv 2305.16938), table of their appendix; label ids of GLUE and HANS.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from inweights.types import Prompt


@dataclass(frozen=True)
class Source:
    """One set of a preset: which files it may stand in, where its columns are, how its labels are spelled."""

    folders: tuple[str, ...]
    """Folders under the data folder, tried in order."""
    files: tuple[str, ...]
    """Names without their ending."""
    domain: Literal["train", "in-domain", "out-of-domain"]
    labels: Mapping[str, int]
    """The file's label -> label id; rows with any other label that `dropped` names are left out."""
    dropped: tuple[str, ...] = ()
    subset: tuple[str, ...] = ()
    reads_as: tuple[int, ...] = ()
    """See `Split.reads_as`."""
    hub: tuple[str, ...] = ()
    """Data set, configuration (or ""), split, on a hub."""


@dataclass(frozen=True)
class Preset:
    name: str
    prompts: tuple[Prompt, ...]
    fields: Mapping[str, tuple[str, ...]]
    """Field -> columns it may stand in."""
    sources: Mapping[str, Source]
    metric: Literal["accuracy", "mcc"] = "accuracy"
    majority: Mapping[str, float] = field(default_factory=dict)
    """The literature's majority baseline per evaluation set, where the set is the literature's."""


ENTAILMENT = ("entailment", "not_entailment")
HANS_LABELS = {"entailment": 0, "non-entailment": 1, "0": 0, "1": 1}
TRAIN, DEV = ("train", "train-00000-of-00001"), ("dev", "validation", "validation-00000-of-00001", "test")
PAIR = {"premise": ("premise", "sentence1"), "hypothesis": ("hypothesis", "sentence2")}


def _nli(labels: tuple[str, ...], yes_no: tuple[str, ...], true_false: tuple[str, ...]) -> tuple[Prompt, ...]:
    gpt3 = "{premise} question: {hypothesis} Yes or No?"
    if len(labels) == 3:
        gpt3 = "{premise} question: {hypothesis} Yes, Maybe or No?"
    harness = "{premise} \nQuestion: {hypothesis} True or False?"
    if len(labels) == 3:
        harness = "{premise} \nQuestion: {hypothesis} True, False or Neither?"
    return (
        Prompt(gpt3, yes_no, labels, " answer:", name="gpt-3"),
        Prompt("{premise} {hypothesis} ?", yes_no, labels, name="minimal"),
        Prompt(harness, true_false, labels, "\nAnswer:", name="eval-harness"),
    )


HANS = Source(
    ("hans", "hans_regenerated"),
    ("ood", "validation", "heuristics_evaluation_set"),
    "out-of-domain",
    HANS_LABELS,
    subset=("heuristic", "subcase"),
    hub=("jhu-cogsci/hans", "", "validation"),
)
_RTE = {"entailment": 0, "not_entailment": 1, "0": 0, "1": 1}
RTE = Preset(
    "rte",
    _nli(ENTAILMENT, ("Yes", "No"), ("True", "False")),
    PAIR,
    {
        "train": Source(
            ("rte",),
            TRAIN,
            "train",
            _RTE,
            hub=("nyu-mll/glue", "rte", "train"),
        ),
        "dev": Source(("rte",), DEV, "in-domain", _RTE, hub=("nyu-mll/glue", "rte", "validation")),
        "hans": HANS,
    },
    majority={"dev": 0.527, "hans": 0.5},
)
_MNLI_FILES = ("dev_matched", "dev_matched_1k_detok", "validation_matched", "dev")
_MISMATCHED_FILES = ("dev_mismatched", "dev_mismatched_1k_detok", "validation_mismatched")


def _mnli(
    name: str, prompts: tuple[Prompt, ...], labels: dict[str, int], dropped: tuple[str, ...], majority: float
) -> Preset:
    def source(files: tuple[str, ...], domain: Literal["train", "in-domain"], split: str) -> Source:
        return Source(("mnli",), files, domain, labels, dropped, hub=("nyu-mll/glue", "mnli", split))

    return Preset(
        name,
        prompts,
        PAIR,
        {
            "train": source(TRAIN, "train", "train"),
            "matched": source(_MNLI_FILES, "in-domain", "validation_matched"),
            "mismatched": source(_MISMATCHED_FILES, "in-domain", "validation_mismatched"),
            # HANS knows two labels: neutral and contradiction both count as non-entailment.
            "hans": replace(HANS, reads_as=(0, 1, 1)) if len(prompts[0].labels) == 3 else HANS,
        },
        majority={"hans": 0.5, **({"matched": majority} if majority else {})},
    )


MNLI = _mnli(
    "mnli",
    _nli(("entailment", "neutral", "contradiction"), ("Yes", "Maybe", "No"), ("True", "Neither", "False")),
    {"entailment": 0, "neutral": 1, "contradiction": 2, "0": 0, "1": 1, "2": 2},
    (),
    0.0,
)
MNLI_NO_NEUTRAL = _mnli(
    "mnli-no-neutral",
    _nli(ENTAILMENT, ("Yes", "No"), ("True", "False")),
    {"entailment": 0, "contradiction": 1, "0": 0, "2": 1},
    ("neutral", "1"),
    0.512,
)
MNLI_MERGED = _mnli(
    "mnli-merged",
    _nli(ENTAILMENT, ("Yes", "No"), ("True", "False")),
    {"entailment": 0, "neutral": 1, "contradiction": 1, "0": 0, "1": 1, "2": 1},
    (),
    0.645,
)

DUPLICATE = ("not_duplicate", "duplicate")
_DUP = {"0": 0, "1": 1, "not_duplicate": 0, "duplicate": 1}
QQP = Preset(
    "qqp",
    (
        Prompt(
            "Question 1: {q1}\nQuestion 2: {q2}\nQuestion: Do both questions ask the same thing?",
            ("No", "Yes"),
            DUPLICATE,
            " Answer:",
            name="eval-harness",
        ),
        Prompt("{q1} {q2} ?", ("No", "Yes"), DUPLICATE, name="minimal"),
    ),
    {"q1": ("q1", "question1", "sentence1", "text1"), "q2": ("q2", "question2", "sentence2", "text2")},
    {
        "train": Source(
            ("qqp", "kshot_lmbff/qqp"), (*TRAIN, "train_16-13"), "train", _DUP, hub=("nyu-mll/glue", "qqp", "train")
        ),
        "dev": Source(
            ("qqp", "kshot_lmbff/qqp"),
            (*DEV, "dev_16-13"),
            "in-domain",
            _DUP,
            hub=("nyu-mll/glue", "qqp", "validation"),
        ),
        "paws-qqp": Source(("paws_qqp", "paws"), ("ood", "dev", "dev_and_test", "validation"), "out-of-domain", _DUP),
    },
    majority={"dev": 0.632, "paws-qqp": 0.718},
)

ACCEPTABLE = ("unacceptable", "acceptable")
_ACC = {"0": 0, "1": 1, "unacceptable": 0, "acceptable": 1}
COLA = Preset(
    "cola",
    (
        Prompt("grammatical: {sentence} Yes or No?", ("No", "Yes"), ACCEPTABLE, " answer:", name="gpt-3"),
        Prompt("{sentence} ?", ("No", "Yes"), ACCEPTABLE, separator=" ", name="minimal"),
    ),
    {"sentence": ("sentence", "text")},
    {
        "train": Source(("cola", "CoLA"), (*TRAIN, "in_domain_train"), "train", _ACC, hub=("nyu-mll/glue", "cola", "train")),
        "dev": Source(
            ("cola", "CoLA"), (*DEV, "in_domain_dev"), "in-domain", _ACC, hub=("nyu-mll/glue", "cola", "validation")
        ),
        "cola-ood": Source(("cola", "CoLA"), ("ood", "out_of_domain_dev"), "out-of-domain", _ACC),
    },
    metric="mcc",
    majority={"dev": 0.691, "cola-ood": 0.686},
)

POLARITY = ("negative", "positive")
_POL = {"0": 0, "1": 1, "negative": 0, "positive": 1}
SST2 = Preset(
    "sst2",
    (
        Prompt("{sentence} It was", ("terrible", "great"), POLARITY, name="it-was"),
        Prompt("Review: {sentence}", ("negative", "positive"), POLARITY, "\nSentiment:", name="review"),
        Prompt("{sentence} ?", ("No", "Yes"), POLARITY, name="minimal"),
    ),
    {"sentence": ("sentence", "text")},
    {
        "train": Source(("sst2", "SST-2"), TRAIN, "train", _POL, hub=("nyu-mll/glue", "sst2", "train")),
        "dev": Source(("sst2", "SST-2"), DEV, "in-domain", _POL, hub=("nyu-mll/glue", "sst2", "validation")),
        "cr": Source(("sst2", "cr"), ("ood", "test"), "out-of-domain", _POL),
    },
)

KINDS = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
_KIND = {**{name: i for i, name in enumerate(KINDS)}, **{str(i): i for i in range(6)}}
_KIND_WORDS = ("Abbreviation", "Entity", "Description", "Person", "Location", "Number")
TREC = Preset(
    "trec",
    (
        Prompt("Question: {text}\nAnswer type:", _KIND_WORDS, KINDS, name="answer-type"),
        Prompt("{text} ?", _KIND_WORDS, KINDS, name="minimal"),
    ),
    {"text": ("text", "sentence", "question")},
    {
        "train": Source(("trec", "TREC"), TRAIN, "train", _KIND, hub=("CogComp/trec", "", "train")),
        "dev": Source(("trec", "TREC"), DEV, "in-domain", _KIND, hub=("CogComp/trec", "", "test")),
    },
)

PRESETS: dict[str, Preset] = {
    preset.name: preset for preset in (RTE, MNLI, MNLI_NO_NEUTRAL, MNLI_MERGED, QQP, COLA, SST2, TREC)
}
