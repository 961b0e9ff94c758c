"""The one training loop: batches, a loss, a schedule. It does not know methods."""

import math
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.training.schedule import Schedule
from inweights.types import DivergedError, Seeds

T = TypeVar("T")
Loss = Callable[[Sequence[T]], Float[Tensor, " items"]]
"""One number for each item. What is minimised is their mean, whatever pieces a batch is computed in."""


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
    parameters: Mapping[str, nn.Parameter],
    items: Sequence[T],
    schedule: Schedule,
    seeds: Seeds,
    module: nn.Module,
    *,
    most_steps: int | None = None,
    lr_scales: Mapping[str, float] | None = None,
    starts: Mapping[str, float] | None = None,
    snapshots: int = 0,
    pieces: Callable[[Sequence[T]], Sequence[Sequence[T]]] = lambda batch: [batch],
) -> Trace:
    """Take AdamW steps on the mean `loss` of shuffled batches of `items`; the parameters change in place.

    `lr_scales`: factors on the learning rate, by name. `starts`: the share of the steps after which a parameter
    begins to learn. `snapshots`: copies to keep, at equal distances, the last of them at the end. `pieces`: a batch in
    parts that fit in memory; their gradients add up to the batch's.

    Order and dropout have seeds of their own, and the global generators are left as they were. `module` is in training
    mode (dropout on) only while this runs. Raises DivergedError at the first loss that is not finite.
    """
    steps = schedule.steps(len(items), most_steps)
    optimizer = _adamw(parameters, schedule, lr_scales or {})
    batches = _batches(items, schedule.batch_size, random.Random(seeds.order))
    wanted = {round(steps * part / snapshots) for part in range(1, snapshots + 1)}
    kept: dict[int, dict[str, Tensor]] = {}
    losses: list[float] = []
    with ExitStack() as stack:
        stack.enter_context(_generator(seeds.dropout, parameters))
        stack.enter_context(_training(module))
        stack.enter_context(torch.enable_grad())
        for step in range(steps):
            _set_rates(optimizer, schedule.factor(step, steps))
            for name, start in (starts or {}).items():
                parameters[name].requires_grad_(step >= start * steps)
            losses.append(_backward(loss, pieces(next(batches)), f"step {step + 1} of {steps}"))
            if schedule.clip_norm:
                nn.utils.clip_grad_norm_(list(parameters.values()), schedule.clip_norm)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            if step + 1 in wanted:
                kept[step + 1] = {name: p.detach().clone() for name, p in parameters.items()}
    if not all(bool(torch.isfinite(p).all()) for p in parameters.values()):
        raise DivergedError(f"a weight was not finite after step {steps}: lower the learning rate")
    state = [v for values in optimizer.state.values() for v in values.values() if isinstance(v, Tensor)]
    moved = frozenset(name for name, parameter in parameters.items() if parameter in optimizer.state)
    return Trace(tuple(losses), sum(v.numel() * v.element_size() for v in state), moved, kept)


def _backward(loss: Loss[T], pieces: Sequence[Sequence[T]], where: str) -> float:
    """Leave the gradient of the batch's mean loss in the parameters, and give that mean."""
    items, total = sum(map(len, pieces)), 0.0
    for piece in pieces:
        value = loss(piece).sum() / items
        total += value.item()
        if not math.isfinite(total):
            raise DivergedError(f"the loss was {total} at {where}: lower the learning rate")
        value.backward()
    return total


def _adamw(parameters: Mapping[str, nn.Parameter], schedule: Schedule, scales: Mapping[str, float]) -> torch.optim.AdamW:
    """One group per learning rate. Every parameter is in exactly one, none is empty."""
    unknown = sorted(set(scales) - set(parameters))
    assert not unknown, f"learning rates for parameters that do not train: {unknown}"
    by_scale: dict[float, list[nn.Parameter]] = {}
    for name, parameter in parameters.items():
        by_scale.setdefault(scales.get(name, 1.0), []).append(parameter)
    groups = [{"params": group, "lr": schedule.lr * scale} for scale, group in by_scale.items()]
    # One kernel per step instead of a dozen passes over memory.
    optimizer = torch.optim.AdamW(groups, weight_decay=schedule.weight_decay, fused=True)
    for group in optimizer.param_groups:
        group["peak"] = group["lr"]
    return optimizer


def _set_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * factor


def _batches(items: Sequence[T], size: int, rng: random.Random) -> Iterator[list[T]]:
    """Epoch after epoch, each in an order of its own; the last batch of an epoch may be smaller."""
    while True:
        epoch = rng.sample(list(items), len(items))
        for start in range(0, len(epoch), size):
            yield epoch[start : start + size]


@contextmanager
def _generator(seed: int, parameters: Mapping[str, nn.Parameter]) -> Iterator[None]:
    """torch's global generators, which dropout draws from, seeded inside and untouched outside."""
    devices = sorted({p.device.index or 0 for p in parameters.values() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


@contextmanager
def _training(module: nn.Module) -> Iterator[None]:
    """Training mode inside, what each part was before outside."""
    before = [(each, each.training) for each in module.modules()]
    module.train()
    try:
        yield
    finally:
        for each, training in before:
            each.training = training
