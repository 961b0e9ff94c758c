"""The one training loop: batches, a loss, a schedule. It does not know methods."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from inweights.types import DivergedError, Seeds

T = TypeVar("T")


@dataclass(frozen=True)
class Schedule:
    """How long, how fast and in what steps."""

    lr: float = 1e-3
    """Peak learning rate of AdamW."""
    epochs: int = 20
    batch_size: int = 16
    warmup: float = 0.1
    """Share of the steps over which the learning rate rises from 0."""
    decay: Literal["constant", "linear", "cosine"] = "linear"
    """What it does after the warm-up."""
    weight_decay: float = 0.0
    clip_norm: float = 1.0
    """Of the gradient; 0: not clipped."""

    def steps(self, examples: int, most: int | None) -> int:
        wanted = self.epochs * math.ceil(examples / self.batch_size)
        return wanted if most is None else min(wanted, most)

    def factor(self, step: int, steps: int) -> float:
        """What the peak learning rate is multiplied by at `step` of `steps`, counted from 0."""
        rising = math.ceil(self.warmup * steps)
        if step < rising:
            return (step + 1) / rising
        done = (step - rising) / max(1, steps - rising)
        return {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}[self.decay]


@dataclass(frozen=True)
class Trace:
    """What a training run has to say of itself."""

    losses: tuple[float, ...]
    """Mean loss of every step's batch."""
    optimizer_bytes: int
    """Of the optimizer's state at the end."""


def minimize(
    loss: Callable[[Sequence[T]], Tensor],
    parameters: Mapping[str, nn.Parameter],
    items: Sequence[T],
    schedule: Schedule,
    seeds: Seeds,
    most_steps: int | None = None,
    lr_scales: Mapping[str, float] | None = None,
    training_module: nn.Module | None = None,
) -> Trace:
    """Take AdamW steps on the mean `loss` of shuffled batches of `items`; the parameters change in place.

    Order and dropout have seeds of their own; the global generators are left as they were. `training_module` is in
    training mode (dropout on) while this runs. Raises DivergedError at the first loss that is not finite.
    """
    optimizer = torch.optim.AdamW(_groups(parameters, schedule.lr, lr_scales or {}), weight_decay=schedule.weight_decay)
    peaks = [group["lr"] for group in optimizer.param_groups]
    steps = schedule.steps(len(items), most_steps)
    batches = _batches(items, schedule.batch_size, random.Random(seeds.order))
    devices = sorted({p.device.index or 0 for p in parameters.values() if p.device.type == "cuda"})
    losses = []
    with torch.random.fork_rng(devices=devices), _mode(training_module), torch.enable_grad():
        torch.manual_seed(seeds.dropout)
        for step in range(steps):
            factor = schedule.factor(step, steps)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * factor
            value = loss(next(batches))
            if not bool(torch.isfinite(value)):
                raise DivergedError(f"the loss was {value.item()} at step {step + 1} of {steps}: lower the learning rate")
            optimizer.zero_grad(set_to_none=True)
            value.backward()  # type: ignore[no-untyped-call]
            if schedule.clip_norm:
                nn.utils.clip_grad_norm_(list(parameters.values()), schedule.clip_norm)
            optimizer.step()
            losses.append(value.item())
    if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
        raise DivergedError(f"a weight was not finite after step {steps}: lower the learning rate")
    state = [v for values in optimizer.state.values() for v in values.values() if isinstance(v, Tensor)]
    return Trace(tuple(losses), sum(v.numel() * v.element_size() for v in state))


def _groups(parameters: Mapping[str, nn.Parameter], lr: float, scales: Mapping[str, float]) -> list[dict[str, object]]:
    """One group per learning rate. Every parameter is in exactly one, none is empty."""
    by_scale: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        by_scale.setdefault(scales.get(name, 1.0), []).append(parameter)
    unknown = sorted(set(scales) - set(parameters))
    assert not unknown, f"learning rates for parameters that do not train: {unknown}"
    return [{"params": group, "lr": lr * scale} for scale, group in by_scale.items()]


def _batches(items: Sequence[T], size: int, rng: random.Random) -> Iterator[list[T]]:
    while True:
        epoch = rng.sample(list(items), len(items))
        for start in range(0, len(epoch), size):
            yield epoch[start : start + size]


class _mode:  # noqa: N801  a context manager reads as a verb
    """Training mode inside, what it was before outside."""

    def __init__(self, module: nn.Module | None) -> None:
        self.module = module

    def __enter__(self) -> None:
        if self.module is not None:
            self.before = {each: each.training for each in self.module.modules()}
            self.module.train()

    def __exit__(self, *_: object) -> None:
        if self.module is not None:
            for each, training in self.before.items():
                each.training = training
