"""The one training loop: batches, a loss, a schedule; for one run or for several at the same time.

It does not know methods. Runs that train together share nothing but their forward and backward passes: each has its own
batches, stream of random numbers, clipping, schedule and end, and comes out as it would alone.
"""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Generic, Literal, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.engine.embedding_gradients import gradients_added
from inweights.engine.out_of_memory import is_out_of_memory
from inweights.engine.stacked_runs import RandomStreams, drawing_from
from inweights.engine.switches import in_mode
from inweights.training.optimizers import optimizer_of
from inweights.training.resume import Resume
from inweights.training.schedule import Schedule
from inweights.types import DivergedError, Seeds

T = TypeVar("T")
Loss = Callable[[Sequence[T]], Float[Tensor, " items"]]
"""One number for each item. What is minimised is their mean, whatever pieces a batch is computed in."""
Losses = Callable[[Mapping[int, Sequence[T]]], Mapping[int, Float[Tensor, " items"]]]
"""The same for several runs, by their number; those that have ended are not asked about."""
Pieces = Callable[[int, Sequence[T]], Sequence[Sequence[T]]]
"""A batch of a run in parts that fit in memory."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """One run: what changes, what it learns from, and how."""

    parameters: Mapping[str, nn.Parameter]
    """Private to the run; changed in place."""
    items: Sequence[T]
    schedule: Schedule
    seeds: Seeds
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factors on the learning rate, by name."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """The share of the steps after which a parameter begins to learn, by name."""


@dataclass(frozen=True)
class Trace:
    """What a training run has to say of itself."""

    losses: tuple[float, ...]
    """Mean loss of every step's batch."""
    optimizer_bytes: int
    """Of the optimizer's state at the end."""
    moved: frozenset[str] = frozenset()
    """Names of the parameters that a gradient has reached."""
    snapshots: Mapping[int, Mapping[str, Tensor]] = field(default_factory=dict)
    """Copies of the parameters after that many steps."""


def minimize(
    loss: Loss[T],
    job: Job[T],
    module: nn.Module,
    *,
    most_steps: int | None = None,
    snapshots: int = 0,
    pieces: Callable[[Sequence[T]], Sequence[Sequence[T]]] = lambda batch: [batch],
    autocast: Literal["", "bf16", "fp16"] = "",
    resume: Resume | None = None,
    watch: Callable[[int, int, float], None] | None = None,
) -> Trace:
    """`minimize_together` for one run."""

    def losses(batches: Mapping[int, Sequence[T]]) -> Mapping[int, Tensor]:
        return {0: loss(batches[0])}

    def of_run(_: int, batch: Sequence[T]) -> Sequence[Sequence[T]]:
        return pieces(batch)

    [trace] = minimize_together(
        losses,
        [job],
        module,
        most_steps=most_steps,
        snapshots=snapshots,
        pieces=of_run,
        autocast=autocast,
        resume=resume,
        watch=watch,
    )
    return trace


def minimize_together(
    losses: Losses[T],
    jobs: Sequence[Job[T]],
    module: nn.Module,
    *,
    most_steps: int | None = None,
    snapshots: int = 0,
    pieces: Pieces[T] = lambda run, batch: [batch],
    autocast: Literal["", "bf16", "fp16"] = "",
    resume: Resume | None = None,
    watch: Callable[[int, int, float], None] | None = None,
) -> list[Trace]:
    """Take optimizer steps on each job's mean loss of shuffled batches of its items; parameters change in place.

    `snapshots`: copies to keep, at equal distances, the last of them at the end. `pieces`: gradients of a batch's
    parts add up to the batch's; where memory runs out all the same, a step is done again in smaller ones. `autocast`:
    forward passes in that precision; in fp16 losses are scaled, each run's by a factor of its own. `resume`: where a
    single run's state is kept on the way, and gone on from. `watch`: told of the first run's steps done, all its steps,
    and the loss of the last.

    Order and dropout have seeds of their own, and the global generators are left as they were. `module` is in training
    mode (dropout on) only while this runs. Raises DivergedError at the first loss that is not finite.
    """
    device = next(iter(jobs[0].parameters.values())).device
    scaled = autocast == "fp16"
    runs = [_Running(job, most_steps, snapshots, torch.amp.GradScaler(device.type, enabled=scaled)) for job in jobs]
    precision = {"": None, "bf16": torch.bfloat16, "fp16": torch.float16}[autocast]
    streams = RandomStreams([job.seeds.dropout for job in jobs], device)
    cut, first = 1, runs[0]
    assert resume is None or (len(runs) == 1 and not snapshots and not scaled), "neither several runs nor these are kept"
    done = first.taken_up(resume, streams) if resume else 0
    with ExitStack() as stack:
        stack.enter_context(_generators_kept(device))
        stack.enter_context(in_mode(module, training=True))
        stack.enter_context(torch.enable_grad())
        stack.enter_context(gradients_added())
        for step in range(done, max(run.steps for run in runs)):
            active = [number for number, run in enumerate(runs) if step < run.steps]
            batches = {number: runs[number].begin(step) for number in active}
            while True:
                states = list(streams.states)
                try:
                    totals = _backward(losses, runs, batches, pieces, cut, streams, step, precision)
                    break
                except Exception as error:
                    if not is_out_of_memory(error) or cut >= max(map(len, batches.values())):
                        raise
                # Outside the handler, which would keep the failed pass's tensors alive.
                cut, streams.states = 2 * cut, states
                for number in active:
                    runs[number].optimizer.zero_grad(set_to_none=True)
            for number in active:
                runs[number].end(step, totals[number])
            if resume and resume.due:
                resume.keep(first.job.parameters, first.optimizer, streams.states, first.losses)
            if watch and 0 in totals:
                watch(step + 1, first.steps, totals[0])
    if resume and done < first.steps:
        resume.keep(first.job.parameters, first.optimizer, streams.states, first.losses)
    return [run.trace() for run in runs]


class _Running(Generic[T]):
    """One job while it runs."""

    def __init__(self, job: Job[T], most_steps: int | None, snapshots: int, scaler: torch.amp.GradScaler) -> None:
        self.job, self.scaler = job, scaler
        self.steps = job.schedule.steps(len(job.items), most_steps)
        self.optimizer = optimizer_of(job.parameters, job.schedule, job.lr_scales)
        self.batches = _batches(job.items, job.schedule.batch_size, random.Random(job.seeds.order))
        self.epoch = math.ceil(len(job.items) / job.schedule.batch_size)
        self.wanted = {round(self.steps * part / snapshots) for part in range(1, snapshots + 1)}
        self.kept: dict[int, dict[str, Tensor]] = {}
        self.losses: list[float] = []

    def taken_up(self, resume: Resume, streams: RandomStreams) -> int:
        """Go on from what was kept, and give how many steps were done."""
        self.losses = list(resume.load(self.job.parameters, self.optimizer, streams.states))
        for _ in self.losses:
            next(self.batches)
        self._end_early()
        return len(self.losses)

    def begin(self, step: int) -> list[T]:
        schedule = self.job.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * schedule.factor(step, self.steps)
        for name, start in self.job.starts.items():
            self.job.parameters[name].requires_grad_(step >= start * self.steps)
        return next(self.batches)

    def end(self, step: int, loss: float) -> None:
        self.losses.append(loss)
        self.scaler.unscale_(self.optimizer)
        if self.job.schedule.clip_norm:
            nn.utils.clip_grad_norm_(list(self.job.parameters.values()), self.job.schedule.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self._end_early()
        if step + 1 in self.wanted or (self.wanted and step + 1 == self.steps):
            self.kept[step + 1] = {name: p.detach().clone() for name, p in self.job.parameters.items()}

    def _end_early(self) -> None:
        """After an epoch whose mean loss is low enough."""
        done, stop_loss = len(self.losses), self.job.schedule.stop_loss
        if stop_loss and done and done % self.epoch == 0 and sum(self.losses[-self.epoch :]) / self.epoch < stop_loss:
            self.steps = done

    def trace(self) -> Trace:
        largest = [torch.linalg.vector_norm(p.detach(), torch.inf) for p in self.job.parameters.values()]
        if not all(map(torch.isfinite, largest)):
            raise DivergedError(f"a weight was not finite after step {self.steps}: lower the learning rate")
        state = [v for values in self.optimizer.state.values() for v in values.values() if isinstance(v, Tensor)]
        moved = frozenset(name for name, parameter in self.job.parameters.items() if parameter in self.optimizer.state)
        return Trace(tuple(self.losses), sum(v.numel() * v.element_size() for v in state), moved, self.kept)


def _backward(
    losses: Losses[T],
    runs: Sequence[_Running[T]],
    batches: Mapping[int, Sequence[T]],
    pieces: Pieces[T],
    cut: int,
    streams: RandomStreams,
    step: int,
    precision: torch.dtype | None,
) -> dict[int, float]:
    """Leave the gradients of the batches' mean losses in the parameters, and give those means."""
    cuts = {number: _cut(pieces(number, batch), cut) for number, batch in batches.items()}
    totals = dict.fromkeys(batches, 0.0)
    for turn in zip_longest(*cuts.values()):
        asked = {number: piece for number, piece in zip(cuts, turn, strict=True) if piece}
        runs_asked = list(asked)
        # Entered anew for every pass: autocast keeps weights that it has cast until it is left, and these change.
        cast = torch.autocast(streams.device.type, precision, enabled=precision is not None)
        with streams.of(runs_asked[0]) if len(asked) == 1 else drawing_from(streams, runs_asked), cast:
            values = losses(asked)
        means = {number: value.sum() / len(batches[number]) for number, value in values.items()}
        for number, mean in zip(means, torch.stack(list(means.values())).tolist(), strict=True):
            totals[number] += mean
            if not math.isfinite(totals[number]):
                where = f"step {step + 1} of {runs[number].steps}"
                raise DivergedError(f"the loss was {totals[number]} at {where}: lower the learning rate")
        torch.stack([runs[number].scaler.scale(mean) for number, mean in means.items()]).sum().backward()
    return totals


def _cut(pieces: Sequence[Sequence[T]], parts: int) -> list[Sequence[T]]:
    """Every piece in that many parts."""
    found: list[Sequence[T]] = []
    for piece in pieces:
        size = math.ceil(len(piece) / parts)
        found += [piece[start : start + size] for start in range(0, len(piece), size)]
    return found


def _batches(items: Sequence[T], size: int, rng: random.Random) -> Iterator[list[T]]:
    """Epoch after epoch, each in an order of its own; the last batch of an epoch may be smaller."""
    while True:
        epoch = rng.sample(list(items), len(items))
        for start in range(0, len(epoch), size):
            yield epoch[start : start + size]


@contextmanager
def _generators_kept(device: torch.device) -> Iterator[None]:
    """torch's global generators untouched outside, whatever is drawn inside."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
