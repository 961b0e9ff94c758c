"""What one run would take in time and memory, from its token counts and its backbone's shapes. No weights are loaded."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from inweights.models.skeleton import skeleton
from inweights.scoring.batches import tokens_at_once
from inweights.settings import settings
from inweights.study.cost_model import ModelShape, shape_of
from inweights.study.draw import draw
from inweights.study.machine import device
from inweights.study.planned import PlannedRun
from inweights.types import Example, Shots
from inweights.updates import first_changed_block

SCORING_BYTES = 120
"""In use at once in a pass that keeps nothing, per token and unit of width."""
LARGEST_BATCH = 1.1
"""Tokens of a run's largest batch over those of its mean one."""
SEARCHED = {"": 1, "holdout": 3, "kfold": 12}
"""Trainings of a run by the way that its learning rate is chosen."""


@dataclass(frozen=True)
class Estimate:
    """Of one run, without loading the model."""

    seconds: float
    peak_bytes: float
    """Above the loaded model."""
    parts: tuple[tuple[str, float], ...] = ()
    """What the bytes are for, the most first."""

    def __mul__(self, other: "Estimate") -> "Estimate":
        parts = tuple((name, size * other.peak_bytes) for name, size in self.parts)
        return Estimate(self.seconds * other.seconds, self.peak_bytes * other.peak_bytes, parts)

    def __add__(self, other: "Estimate") -> "Estimate":
        """One after the other."""
        larger = max(self, other, key=lambda each: each.peak_bytes)
        return Estimate(self.seconds + other.seconds, larger.peak_bytes, larger.parts)


def estimate(setting: PlannedRun) -> Estimate:
    """Of one run on this machine."""
    shots = draw(setting.task, setting.run.shots, setting.run.seed)
    train = setting.task.splits["train"].load()
    length = _mean_tokens(setting, [*shots.labelled[:32]] or [*train[:32]])
    trains = "schedule.epochs" in settings(setting.method)
    scoring = _scoring(setting, length, trains)
    return scoring + _training(setting, shots, length) if trains else scoring


def _scoring(setting: PlannedRun, length: float, trains: bool) -> Estimate:
    """Of all evaluation sets; `length`: tokens of a demonstration."""
    run, flat, shape = setting.run, settings(setting.method), shape_of(setting.run.model)
    sets = [split.load() for split in setting.task.evaluation.values()]
    queries = sum(min(len(each), run.limit or len(each)) for each in sets)
    asked = _mean_tokens(setting, [example for each in sets for example in each[:16]])
    members = _number(flat.get("members", 1))
    share = float(str(flat["share"])) if members > 1 else 1.0
    shown = 0.0 if trains or flat.get("demonstrations") == 0 else share * run.shots * length
    scored = members * (queries * asked + len(sets) * shown)
    at_once = min(scored, _at_once(setting, shape))
    parts = {
        "a pass over the queries (--batch-tokens)": at_once * (SCORING_BYTES * shape.width + 8 * shape.vocabulary / asked),
        "demonstrations": 8.0 * members * shown * shape.width * shape.blocks,
    }
    return _of(shape.forward(scored, max(1, scored / at_once), before=shown), parts)


def _training(setting: PlannedRun, shots: Shots, length: float) -> Estimate:
    run, flat, method = setting.run, settings(setting.method), _trained(setting)
    model, shape, items, teacher = skeleton(run.model), shape_of(run.model), run.shots, 0.0
    if "pool_size" in flat:
        items, of_shots = _number(flat["pool_size"]), run.shots * length
        if shots.unlabelled:
            items, length = min(items, len(shots.unlabelled)), _mean_tokens(setting, shots.unlabelled[:32])
        told = _number(flat["contexts"]) * (items * length + of_shots)
        teacher = shape.forward(told, max(1, told / _at_once(setting, shape)), before=of_shots)
    changed = method.update.apply(model, 0).parameters
    work = method.update.work(model, changed)
    first = min(first_changed_block(model, changed), shape.blocks - 1)
    above, in_batch = shape.blocks - first, min(method.schedule.batch_size, max(1, items)) * length + work.tokens
    step = shape.forward(in_batch, 1, above) + shape.backward(in_batch, 1, above, work.products)
    step += shape.low_rank(in_batch, work.narrow) + shape.update(work.numbers)
    step *= 4 / 3 if run.budget.checkpointing else 1.0
    once = shape.forward(items * length, 1, first) if first else 0.0
    steps = method.schedule.steps(max(1, items), run.budget.steps)
    kept = work.kept * shape.kept_bytes(LARGEST_BATCH * in_batch, 1 if run.budget.checkpointing else above)
    parts = {
        "what trains, its gradients and the optimizer's state (another update)": 16.0 * work.numbers,
        "activations (--checkpointing, a smaller batch)": kept,
    }
    return _of(teacher + SEARCHED[run.tune] * (steps * step + once), parts)


def _of(seconds: float, parts: dict[str, float]) -> Estimate:
    ordered = tuple(sorted(parts.items(), key=lambda part: -part[1]))
    return Estimate(seconds, sum(parts.values()), ordered)


def _trained(setting: PlannedRun) -> Any:
    """A method that has a schedule and an update."""
    return setting.method


def _at_once(setting: PlannedRun, shape: ModelShape) -> int:
    return tokens_at_once(setting.run.budget.batch_tokens, shape.width, device())


def _mean_tokens(setting: PlannedRun, examples: Sequence[Example]) -> float:
    encoded = skeleton(setting.run.model).encode([setting.prompt.body(example) for example in examples])
    return statistics.mean(map(len, encoded)) + 1


def _number(value: object) -> int:
    return int(str(value))
