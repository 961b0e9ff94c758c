"""Token ids of many texts that share a context: those of the whole texts, without tokenising the context each time.

Tokenising a prompt of 16 demonstrations takes longer than a small model takes to score the query after it. So only the
last words of the context are tokenised again with each body. From where their tokens agree with those of the whole
context, the tokens that follow are those of the whole text. Where they never agree, whole texts are tokenised.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

Encode = Callable[[Sequence[str]], list[list[int]]]
"""A model's `encode`."""
TAIL = 160
"""Characters of the context that are tokenised again: some dozens of words, because tokenizers first split words."""
IN_STEP = 8
"""Number of tokens that must agree before a body begins."""


@dataclass(frozen=True)
class SharedPrefix:
    """The tokens of `context + bodies[i]` are `shared + rests[i]`."""

    shared: tuple[int, ...]
    rests: tuple[tuple[int, ...], ...]


def encode_with_context(encode: Encode, context: str, bodies: Sequence[str], spare: int) -> SharedPrefix:
    """Tokens of context + body for every body. Every rest keeps at least `spare` tokens, even if they are shared."""
    if not context:
        return SharedPrefix((), tuple(map(tuple, encode(bodies))))
    alone = encode([context])[0]
    # The last characters of the context may merge into a token with a body's first, so what is shared is found in the ids.
    skipped, rests = _in_step(encode, context, alone, bodies)
    if not skipped:
        rests = encode([context + body for body in bodies])
    shared = min(common(alone[skipped:], rest) for rest in rests)
    shared = max(0, min(shared, min(map(len, rests)) - spare))
    return SharedPrefix(tuple(alone[: skipped + shared]), tuple(tuple(rest[shared:]) for rest in rests))


def _in_step(encode: Encode, context: str, alone: list[int], bodies: Sequence[str]) -> tuple[int, list[list[int]]]:
    """The number of the context's tokens that are not made again, and every text's tokens after them; 0, []: none."""
    last = len(context) - TAIL
    start = max(context.rfind(space, 0, max(last, 0)) for space in " \n")
    if last < TAIL or start < 0:
        return 0, []
    tail, *texts = encode([context[start:], *(context[start:] + body for body in bodies)])
    # Compared from their ends: `step` tokens into the tail, both have the same tokens up to the end of the context.
    step = len(tail) - common(alone[::-1], tail[::-1])
    skipped = len(alone) - len(tail) + step
    # A body may change the context's last tokens. If it changes tokens close to `step`, it might have changed earlier
    # tokens of the whole text, too, and nothing is known.
    if min(common(tail, text) for text in texts) - step < IN_STEP:
        return 0, []
    # One whole text is tokenised as a check: some tokenizers look further back than words.
    if alone[:skipped] + texts[0][step:] != encode([context + bodies[0]])[0]:
        return 0, []
    return skipped, [text[step:] for text in texts]


def common(one: Sequence[object], other: Sequence[object]) -> int:
    """The number of tokens, or characters, at the beginning of both sequences."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
