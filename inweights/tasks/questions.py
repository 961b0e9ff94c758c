"""Kinds of questions: TREC with its six coarse labels (Li and Roth 2002). Label ids follow the hub's."""

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

LABELS = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
WORDS = ("Abbreviation", "Entity", "Description", "Person", "Location", "Number")
_IDS = {label: index for index, label in enumerate(LABELS)} | {str(index): index for index in range(len(LABELS))}

TREC = Preset(
    "trec",
    (
        # Balanced accuracy of zero-shot, ICL with 16 shots, and both calibrated, 80 examples (`python -m benchmarks
        # patterns`): SmolLM2-135M .43 .53 .39 .53, Gemma-3-270M .54 .53 .60 .58; by answer-type .37 .48 .30 .59 and .42
        # .44 .60 .60.
        Prompt("Question: {text}\nType:", tuple(map(str.lower, WORDS)), LABELS, name="type"),
        Prompt("Question: {text}\nAnswer type:", WORDS, LABELS, name="answer-type"),
        Prompt(
            "{text} Abbreviation, Entity, Description, Person, Location or Number?", WORDS, LABELS, " answer:", name="gpt-3"
        ),
        Prompt("{text} ?", WORDS, LABELS, name="minimal"),
    ),
    {"text": ("text", "sentence", "question")},
    {
        "train": Source(("trec", "TREC"), TRAIN, "train", _IDS, hub=Hub("CogComp/trec", None, "train")),
        "dev": Source(("trec", "TREC"), (*DEV, "test"), "in-domain", _IDS, hub=Hub("CogComp/trec", None, "test")),
    },
)
