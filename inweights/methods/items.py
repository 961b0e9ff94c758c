"""What a training run learns from: labelled shots, made to fit, in pieces that fit."""

from collections.abc import Sequence

from inweights.scoring import batches_of
from inweights.types import Example, Shots, UserError


def labelled(shots: Shots) -> tuple[Example, ...]:
    """Raises UserError where there are none to learn from."""
    if not shots.labelled:
        raise UserError("fine-tuning learns from labelled examples and got none: ask for shots, or take zero-shot")
    return shots.labelled


def gold(examples: Sequence[Example]) -> list[int]:
    assert all(example.label is not None for example in examples)
    return [example.label for example in examples if example.label is not None]


def pieces(batch: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """A batch of rows in pieces of at most `batch_tokens` tokens; `lengths` are those of all rows."""
    return [[batch[i] for i in piece] for piece in batches_of([lengths[row] for row in batch], batch_tokens)]
