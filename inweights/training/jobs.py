"""One training run: its parameters, items and schedule; its state while it runs, and its trace."""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from inweights.engine.stacked_runs import RandomStreams
from inweights.training.optimizers import optimizer_of
from inweights.training.resume import Resume
from inweights.training.schedule import Schedule
from inweights.types import DivergedError, Seeds

T = TypeVar("T")


@dataclass(frozen=True)
class Job(Generic[T]):
    """One run, before it starts."""

    parameters: Mapping[str, nn.Parameter]
    """Private to the run; changed in place."""
    items: Sequence[T]
    schedule: Schedule
    seeds: Seeds
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factors on the learning rate, by name."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """The share of the steps after which a parameter begins to train, by name."""


@dataclass(frozen=True)
class Trace:
    """What a training run reports."""

    losses: tuple[float, ...]
    """Mean loss of every step's batch."""
    optimizer_bytes: int
    """Size of the optimizer's state at the end."""
    moved: frozenset[str] = frozenset()
    """Names of the parameters that have received a gradient."""
    snapshots: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)
    """Copies of the parameters, by the number of steps after which they were made."""


class RunningJob(Generic[T]):
    """One job while it runs."""

    def __init__(self, job: Job[T], most_steps: int | None, snapshots: int, scaler: torch.amp.GradScaler) -> None:
        self.job, self.scaler = job, scaler
        self.steps = job.schedule.steps(len(job.items), most_steps)
        self.optimizer = optimizer_of(job.parameters, job.schedule, job.lr_scales)
        self.batches = _batches(job.items, job.schedule.batch_size, random.Random(job.seeds.order))
        self.epoch = math.ceil(len(job.items) / job.schedule.batch_size)
        self.snapshot_steps = {round(self.steps * part / snapshots) for part in range(1, snapshots + 1)}
        self.snapshots: dict[int, dict[str, Tensor]] = {}
        self.losses: list[float] = []

    def resumed(self, resume: Resume, streams: RandomStreams) -> int:
        """Restore the state that was kept; returns the number of steps that are done."""
        self.losses = list(resume.load(self.job.parameters, self.optimizer, streams.states))
        for _ in self.losses:  # the generator of batches has to be where it was, too
            next(self.batches)
        self._stop_early()
        return len(self.losses)

    def begin(self, step: int) -> list[T]:
        schedule = self.job.schedule
        # Set before every step instead of by a scheduler object, so that nothing but the step number has to be resumed.
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * schedule.factor(step, self.steps)
        for name, start in self.job.starts.items():
            self.job.parameters[name].requires_grad_(step >= start * self.steps)
        return next(self.batches)

    def end(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        # Without fp16 the scaler is disabled and does nothing. Gradients are clipped in their own scale.
        self.scaler.unscale_(self.optimizer)
        if self.job.schedule.clip_norm:
            nn.utils.clip_grad_norm_(list(self.job.parameters.values()), self.job.schedule.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self._stop_early()
        if step + 1 in self.snapshot_steps or (self.snapshot_steps and step + 1 == self.steps):
            self.snapshots[step + 1] = {name: p.detach().clone() for name, p in self.job.parameters.items()}

    def _stop_early(self) -> None:
        """End the run after an epoch with a mean loss below `stop_loss`."""
        done, stop_loss = len(self.losses), self.job.schedule.stop_loss
        if stop_loss and done and done % self.epoch == 0 and sum(self.losses[-self.epoch :]) / self.epoch < stop_loss:
            self.steps = done

    def trace(self) -> Trace:
        # A loss can still be finite where the step after it was not.
        largest = [torch.linalg.vector_norm(p.detach(), torch.inf) for p in self.job.parameters.values()]
        if not all(map(torch.isfinite, largest)):
            raise DivergedError(f"a weight was not finite after step {self.steps}: lower the learning rate")
        state = [v for values in self.optimizer.state.values() for v in values.values() if isinstance(v, Tensor)]
        # Optimizers make a state for a parameter when they first see its gradient.
        moved = frozenset(name for name, parameter in self.job.parameters.items() if parameter in self.optimizer.state)
        return Trace(tuple(self.losses), sum(v.numel() * v.element_size() for v in state), moved, self.snapshots)


def _batches(items: Sequence[T], size: int, rng: random.Random) -> Iterator[list[T]]:
    """Endless epochs, each in a new order; the last batch of an epoch may be smaller."""
    while True:
        epoch = rng.sample(list(items), len(items))
        for start in range(0, len(epoch), size):
            yield epoch[start : start + size]
