"""Token ids of many texts that begin alike, as of whole texts, without reading their common start each time.

Tokenising a prompt of 16 demonstrations takes longer than a small model takes to score the query behind it. So only
the end of the context is read again with each body: where its tokens fall into step with those of the whole context,
what follows is what the whole text would give. Where they don't, the whole text is read.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from inweights.models.base import LanguageModel

TAIL = 160
"""Characters that are read again: some dozens of words, since words are what tokenizers cut apart first."""
IN_STEP = 8
"""Tokens that must agree before the bodies begin to tell."""


@dataclass(frozen=True)
class Behind:
    """`shared + rests[i]` are the tokens of context + bodies[i]."""

    shared: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]


def encode_with_context(model: LanguageModel, context: str, bodies: Sequence[str], spare: int) -> Behind:
    """Shared is what comes from the context alone and is the same in all; it leaves every rest `spare` tokens."""
    if not context:
        return Behind((), tuple(map(tuple, model.encode(bodies))))
    alone = model.encode([context])[0]
    skipped, rests = _in_step(model, context, alone, bodies)
    if not skipped:
        rests = model.encode([context + body for body in bodies])
    shared = min(common(alone[skipped:], rest) for rest in rests)
    shared = max(0, min(shared, min(map(len, rests)) - spare))
    return Behind(tuple(alone[: skipped + shared]), tuple(tuple(rest[shared:]) for rest in rests))


def _in_step(model: LanguageModel, context: str, alone: list[int], bodies: Sequence[str]) -> tuple[int, list[list[int]]]:
    """How many of the context's tokens need not be read again, and those of every text behind them; 0: none."""
    last = len(context) - TAIL
    start = max(context.rfind(space, 0, max(last, 0)) for space in " \n")
    if last < TAIL or start < 0:
        return 0, []
    tail, *texts = model.encode([context[start:], *(context[start:] + body for body in bodies)])
    step = len(tail) - common(alone[::-1], tail[::-1])
    skipped = len(alone) - len(tail) + step
    if min(common(tail, text) for text in texts) - step < IN_STEP:
        return 0, []
    if alone[:skipped] + texts[0][step:] != model.encode([context + bodies[0]])[0]:
        return 0, []
    return skipped, [text[step:] for text in texts]


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many tokens, or characters, two sequences share at the front."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
