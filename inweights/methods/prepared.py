"""Training runs, prepared and run: together where their updates can share a forward pass, else one after the other."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor, nn

from inweights.methods.base import Fitted
from inweights.models.base import Backbone
from inweights.models.training_forward import TrainingForward, stackable
from inweights.scoring import batches_of, tokens_at_once
from inweights.training import Job, Trace, minimize_together
from inweights.types import Budget, Example, Shots, UserError


@dataclass(frozen=True)
class Prepared:
    """One run, ready to start."""

    model: Backbone
    """With the update on."""
    first_block: int
    """The first block that the update changes."""
    job: Job[int]
    """Its items are row numbers."""
    inputs_of: Callable[[Sequence[int]], Sequence[Any]]
    """What the model has to read for some rows: trees, or sequences."""
    loss: Callable[[Sequence[int], Tensor], Tensor]
    """One number for each row, from the model's outputs for these rows."""
    finish: Callable[[Trace, Mapping[str, object]], Fitted]
    """The result, from the trace of training and notes on how it was run."""
    lengths: Sequence[int]
    """Tokens of each row."""
    read: Literal["logits", "own", "mean"] = "logits"
    """Logits at the trees' reads, or summaries of sequences by that pooling."""
    vocabulary: tuple[int, ...] | None = None
    """The tokens whose logits are needed; None: all."""


def fit_together(runs: Sequence[Prepared], module: nn.Module, budget: Budget, snapshots: int = 0) -> list[Fitted]:
    """One result for each run, as if it had been run alone.

    As many share a pass as its tokens allow: `budget.batch_tokens`, and on a CPU what its caches like. Raises
    DivergedError where one of them diverges.
    """
    return [fitted for group in _groups(runs, budget) for fitted in _fit(group, module, budget, snapshots)]


def _fit(runs: Sequence[Prepared], module: nn.Module, budget: Budget, snapshots: int) -> list[Fitted]:
    first_block = min(run.first_block for run in runs)
    forward = TrainingForward([run.model for run in runs], first_block, budget.kept_bytes, budget.checkpointing)
    vocabulary = runs[0].vocabulary

    def losses(batches: Mapping[int, Sequence[int]]) -> dict[int, Tensor]:
        inputs = {number: runs[number].inputs_of(rows) for number, rows in batches.items()}
        if runs[0].read == "logits":
            outputs = forward.logits(inputs, vocabulary)
        else:
            outputs = forward.summaries(inputs, runs[0].read)
        return {number: runs[number].loss(rows, outputs[number]) for number, rows in batches.items()}

    def in_pieces(number: int, rows: Sequence[int]) -> list[list[int]]:
        return pieces(rows, runs[number].lengths, budget.batch_tokens)

    jobs = [run.job for run in runs]
    traces = minimize_together(
        losses,
        jobs,
        module,
        most_steps=budget.steps,
        snapshots=snapshots,
        pieces=in_pieces,
        autocast=budget.autocast,
    )
    notes = {"stacked": len(runs)} if len(runs) > 1 else {}
    return [run.finish(trace, notes) for run, trace in zip(runs, traces, strict=True)]


def _groups(runs: Sequence[Prepared], budget: Budget) -> Iterator[list[Prepared]]:
    group: list[Prepared] = []
    tokens = 0
    on = runs[0].model.device.type
    # Half of the tokens of a scoring pass, because a training pass keeps its activations; with more, runs are faster alone.
    maximum = tokens_at_once(2 * budget.batch_tokens, runs[0].model.hidden_size, on) // 2
    for run in runs:
        needed = min(run.job.schedule.batch_size, len(run.lengths)) * max(run.lengths)
        alike = group and run.vocabulary == group[0].vocabulary and run.read == group[0].read
        fits = tokens + needed <= maximum and alike and stackable([group[0].model, run.model])
        if group and (budget.isolated or not fits):
            yield group
            group, tokens = [], 0
        group.append(run)
        tokens += needed
    if group:
        yield group


def labelled(shots: Shots) -> tuple[Example, ...]:
    """Raises UserError where there are none to learn from."""
    if not shots.labelled:
        raise UserError("fine-tuning needs labelled examples and there are none: give shots, or take zero-shot")
    return shots.labelled


def gold(examples: Sequence[Example]) -> list[int]:
    assert all(example.label is not None for example in examples)
    return [example.label for example in examples if example.label is not None]


def pieces(batch: Sequence[int], lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """A batch of rows in pieces of up to `batch_tokens` tokens; `lengths` are those of all rows."""
    return [[batch[i] for i in piece] for piece in batches_of([lengths[row] for row in batch], batch_tokens)]
