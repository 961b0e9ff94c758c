"""The gradients of one step: each run's batch in pieces that fit in memory, pieces of several runs in one pass."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import zip_longest
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.stacked_runs import RandomStreams, drawing_from
from inweights.training.jobs import RunningJob
from inweights.types import DivergedError

T = TypeVar("T")
Losses = Callable[[Mapping[int, Sequence[T]]], Mapping[int, Float[Tensor, " items"]]]
"""Losses of several runs' items, by the number of the run; runs that have ended are left out."""
Pieces = Callable[[int, Sequence[T]], Sequence[Sequence[T]]]
"""Splits a run's batch into parts that fit in memory."""


def backward(
    losses: Losses[T],
    runs: Sequence[RunningJob[T]],
    batches: Mapping[int, Sequence[T]],
    pieces: Pieces[T],
    cut: int,
    streams: RandomStreams,
    step: int,
    precision: torch.dtype | None,
) -> dict[int, float]:
    """Add the gradients of the batches' mean losses to the parameters, and return these means.

    Each pass takes one piece of every run; runs with fewer pieces are left out of the last passes.
    """
    cuts = {number: _cut(pieces(number, batch), cut) for number, batch in batches.items()}
    totals = dict.fromkeys(batches, 0.0)
    for turn in zip_longest(*cuts.values()):
        by_run = {number: piece for number, piece in zip(cuts, turn, strict=True) if piece}
        numbers = list(by_run)
        # Entered again for every pass: autocast keeps the weights that it has cast until it ends, and weights change.
        cast = torch.autocast(streams.device.type, precision, enabled=precision is not None)
        with streams.of(numbers[0]) if len(numbers) == 1 else drawing_from(streams, numbers), cast:
            values = losses(by_run)
        # Divided by the batch and not by the piece, so that pieces add up to the mean over the batch.
        means = {number: value.sum() / len(batches[number]) for number, value in values.items()}
        for number, mean in zip(means, torch.stack(list(means.values())).tolist(), strict=True):
            totals[number] += mean
            if not math.isfinite(totals[number]):
                where = f"step {step + 1} of {runs[number].steps}"
                raise DivergedError(f"the loss was {totals[number]} at {where}: lower the learning rate")
        # One backward pass for all runs: their parameters are different, so the sum of losses mixes no gradients.
        torch.stack([runs[number].scaler.scale(mean) for number, mean in means.items()]).sum().backward()
    return totals


def _cut(pieces: Sequence[Sequence[T]], parts: int) -> list[Sequence[T]]:
    """Every piece in that many parts."""
    smaller: list[Sequence[T]] = []
    for piece in pieces:
        size = math.ceil(len(piece) / parts)
        smaller += [piece[start : start + size] for start in range(0, len(piece), size)]
    return smaller
