"""What is known of facts that no question was about: nothing is learnt but what is asked."""

import random
from dataclasses import dataclass

from benchmarks.learn_made import WORDINGS, Document, deeds
from inweights.context.qa_tokens import Question

UNASKED, IN_ONE_WORDING = 0.1, 0.4
"""Shares of deeds: never asked about, and in one of two wordings only, so that a fifth of the wordings is not asked."""


@dataclass(frozen=True)
class Withheld:
    asked: tuple[Question, ...]
    tests: tuple[Question, ...]
    """About the document's facts alone, in the wordings that are not asked; the kind says why."""


def withheld(document: Document, seed: int) -> Withheld:
    """The document's own deeds and all others are withheld in the same shares."""
    facts = {(each.verb, each.patient): each.agent for each in document.facts}
    rng, asked, tests = random.Random(f"withheld {seed}"), [], []
    for group in (list(facts), [deed for deed in deeds() if deed not in facts]):
        rng.shuffle(group)
        for number, deed in enumerate(group):
            place = (number + 0.5) / len(group)
            left_out = set(WORDINGS) if place < UNASKED else set()
            kind = "facts never asked"
            if UNASKED < place < UNASKED + IN_ONE_WORDING:
                left_out, kind = {rng.choice(list(WORDINGS))}, "wordings never asked"
            for name, say in WORDINGS.items():
                if name not in left_out:
                    asked.append(Question(say(*deed)))
                elif deed in facts:
                    tests.append(Question(say(*deed), gold=facts[deed], kind=kind))
    return Withheld(tuple(asked), tuple(tests))
