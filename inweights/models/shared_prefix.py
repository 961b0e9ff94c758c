"""Token ids of many texts that begin alike, as of whole texts, without tokenising their common start each time.

Tokenising a prompt of 16 demonstrations takes longer than a small model takes to score the query after it. So only
the end of the context is tokenised again with each body: where its tokens fall into step with those of the whole
context, what follows is what the whole text would give. Where they do not, the whole text is tokenised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Encode = Callable[[Sequence[str]], list[list[int]]]
"""A model's `encode`."""
TAIL = 160
"""Characters that are tokenised again: some dozens of words, since words are what tokenizers split first."""
IN_STEP = 8
"""Tokens that must agree before a body begins."""


@dataclass(frozen=True)
class Behind:
    """`shared + rests[i]` are the tokens of context + bodies[i]."""

    shared: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]


def encode_with_context(encode: Encode, context: str, bodies: Sequence[str], spare: int) -> Behind:
    """`shared` comes from the context alone and is the same in all texts; every rest keeps at least `spare` tokens."""
    if not context:
        return Behind((), tuple(map(tuple, encode(bodies))))
    alone = encode([context])[0]
    # The last tokens of the context may merge with a body's first, so the shared part is found in the ids.
    skipped, rests = _in_step(encode, context, alone, bodies)
    if not skipped:
        rests = encode([context + body for body in bodies])
    shared = min(common(alone[skipped:], rest) for rest in rests)
    shared = max(0, min(shared, min(map(len, rests)) - spare))
    return Behind(tuple(alone[: skipped + shared]), tuple(tuple(rest[shared:]) for rest in rests))


def _in_step(encode: Encode, context: str, alone: list[int], bodies: Sequence[str]) -> tuple[int, list[list[int]]]:
    """How many of the context's tokens need not be made again, and every text's tokens after them; 0: all are."""
    last = len(context) - TAIL
    start = max(context.rfind(space, 0, max(last, 0)) for space in " \n")
    if last < TAIL or start < 0:
        return 0, []
    tail, *texts = encode([context[start:], *(context[start:] + body for body in bodies)])
    step = len(tail) - common(alone[::-1], tail[::-1])
    skipped = len(alone) - len(tail) + step
    # The tail begins inside the context, so its first tokens may differ from the whole context's; `step` is where they
    # agree for good. A body that changed tokens close to that place could have changed earlier ones of the whole text.
    if min(common(tail, text) for text in texts) - step < IN_STEP:
        return 0, []
    # One whole text is tokenised as proof: some tokenizers look further back than words.
    if alone[:skipped] + texts[0][step:] != encode([context + bodies[0]])[0]:
        return 0, []
    return skipped, [text[step:] for text in texts]


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """How many tokens, or characters, two sequences share at the front."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
