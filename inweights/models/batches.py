"""Sequences of like length together, no more tokens in a batch than asked for."""

from collections.abc import Sequence

CACHED = 2048 * 768
"""Tokens times width that a CPU is given at once: with four times as many a pass takes a tenth longer per token,
because what one layer gives is no longer in a cache when the next one reads it (OPT-125M and Llama-110M shapes)."""


def tokens_at_once(most: int, width: int, device: str) -> int:
    """Of a scoring pass: at most `most`, and on a CPU as few as its caches like."""
    return min(most, max(256, CACHED // width)) if device == "cpu" else most


def batches_of(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Indices in batches, longest first, so that a pass that is too large fails at once and not at the end.

    A batch has at most `batch_tokens` tokens, each sequence counted as long as the longest: attention may have to pad
    it. A sequence longer than that is a batch of its own.
    """
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        # Sorted downwards, the first of a batch is its longest.
        if batches and lengths[batches[-1][0]] * (len(batches[-1]) + 1) <= batch_tokens:
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches
