"""Kinds of questions: TREC with its six coarse labels (Li and Roth 2002). Label ids follow the hub's."""

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

LABELS = ("ABBR", "ENTY", "DESC", "HUM", "LOC", "NUM")
WORDS = ("Abbreviation", "Entity", "Description", "Person", "Location", "Number")
_IDS = {label: index for index, label in enumerate(LABELS)} | {str(index): index for index in range(len(LABELS))}

TREC = Preset(
    "trec",
    (
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
