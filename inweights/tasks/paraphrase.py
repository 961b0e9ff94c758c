"""Paraphrase: QQP, challenged with PAWS-QQP, whose pairs share their words whether or not they mean the same.

Label 0 is not a duplicate. Patterns of Mosbach et al. 2023 (arXiv 2305.16938). PAWS-QQP (arXiv 1904.01130) is on no hub:
its authors' script makes dev_and_test.tsv out of QQP.
"""

from inweights.tasks.preset import DEV, TRAIN, Hub, Preset, Source
from inweights.types import Prompt

LABELS = ("not_duplicate", "duplicate")
_IDS = {"not_duplicate": 0, "duplicate": 1, "0": 0, "1": 1}

QQP = Preset(
    "qqp",
    (
        Prompt(
            "Question 1: {q1}\nQuestion 2: {q2}\nQuestion: Do both questions ask the same thing?",
            ("No", "Yes"),
            LABELS,
            " Answer:",
            name="eval-harness",
        ),
        Prompt("{q1} {q2} ?", ("No", "Yes"), LABELS, name="minimal"),
    ),
    {"q1": ("q1", "question1", "sentence1"), "q2": ("q2", "question2", "sentence2")},
    {
        "train": Source(("qqp", "QQP"), TRAIN, "train", _IDS, hub=Hub("nyu-mll/glue", "qqp", "train")),
        "dev": Source(("qqp", "QQP"), DEV, "in-domain", _IDS, hub=Hub("nyu-mll/glue", "qqp", "validation")),
        "paws-qqp": Source(("paws_qqp", "paws-qqp", "paws"), ("dev_and_test", "ood", "dev"), "out-of-domain", _IDS),
    },
)
