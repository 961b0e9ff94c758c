"""Patterns of a task: hint words before or after the text, a mark before the answer. One in five is held out."""

import random
from dataclasses import dataclass
from itertools import product
from typing import Literal

from inweights.grammar.lexicon import HINTS

BEFORE = ("", "{h} :", "label the {h} :", "what {h} ?", "question {h} .")
AFTER = ("", "{h} ?", "{h}", "what {h} ?", "this {h}")
MARKS = (":", "=", "->", "answer :")


@dataclass(frozen=True)
class Pattern:
    """Words around a sentence or pair, up to where its label stands."""

    before: tuple[str, ...]
    after: tuple[str, ...]


def patterns(task: str, which: Literal["training", "held-out"]) -> list[Pattern]:
    """Each names the task by one of its hint words, on one side or both."""
    found = []
    for number, (before, after, mark) in enumerate(product(BEFORE, AFTER, MARKS)):
        if not before and not after:
            continue
        # A stride through the three nested lists, so that every part by itself occurs on both sides of the split.
        held = (number + number // len(MARKS) + number // (len(MARKS) * len(AFTER))) % 5 == 0
        if held == (which == "held-out"):
            found += [
                Pattern(tuple(before.format(h=hint).split()), tuple(f"{after.format(h=hint)} {mark}".split()))
                for hint in HINTS[task]
            ]
    return found


def choice(task: str, which: Literal["training", "held-out"], rng: random.Random) -> Pattern:
    return rng.choice(patterns(task, which))
