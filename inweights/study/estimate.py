"""Forecast of one run's time and memory, from its token counts and its backbone's shapes. No weights are loaded."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from inweights.methods.in_context import CONTENT_FREE
from inweights.models.batched_forward import PREFIX_TOKENS, tokens_at_once
from inweights.models.choice_scores import only_tokens
from inweights.models.skeleton import skeleton
from inweights.scoring.labels import queries_of
from inweights.settings import settings
from inweights.study.cost_model import ModelShape, shape_of
from inweights.study.draw import draw
from inweights.study.machine import device
from inweights.study.planned import PlannedRun
from inweights.study.tuning import FACTORS, FOLDS
from inweights.types import Example, Shots
from inweights.updates import Update, first_changed_block
from inweights.updates.base import Work

SCORING_BYTES = 120
"""Bytes in use at once in a pass without gradients, per token and unit of width."""
LARGEST_BATCH = 1.1
"""Tokens of a run's largest batch divided by those of its mean batch."""


@dataclass(frozen=True)
class Estimate:
    """Predicted costs of one run, without loading the model."""

    seconds: float
    peak_bytes: float
    """In addition to the loaded model."""
    parts: tuple[tuple[str, float], ...] = ()
    """What the bytes are for, the largest part first."""

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
    """Of all evaluation sets, and of calibration; `length`: tokens of a demonstration."""
    run, flat = setting.run, settings(setting.method)
    sets = [split.load() for split in setting.task.evaluation.values()]
    asked = _mean_tokens(setting, [example for each in sets for example in each[:16]])
    members = _number(flat.get("members", 1))
    share = float(str(flat["share"])) if members > 1 else 1.0
    shown = 0.0 if trains or flat.get("demonstrations") == 0 else share * run.shots * length
    queries = [min(len(each), run.limit or len(each)) for each in sets]
    calibration = {"contextual": len(CONTENT_FREE), "batch": _number(flat.get("calibration_inputs", 0))}
    queries += [run.shots] * len(setting.others and setting.prompts)  # each pattern is tried on shots held out
    queries += [calibration[str(flat["calibration"])]] if flat.get("calibration", "none") != "none" else []
    passes = [_reading(setting, number, asked, shown, members) for number in queries]
    return sum(passes[1:], passes[0])


def _reading(setting: PlannedRun, queries: float, asked: float, shown: float, contexts: int) -> Estimate:
    """The forecast of scoring queries of `asked` tokens after contexts of `shown` tokens."""
    shape = shape_of(setting.run.model)
    tokens = contexts * (queries * asked + shown)
    in_pass = min(contexts * queries * asked, _at_once(setting, shape))
    logits = 0.0 if _single_tokens(setting) else 8 * shape.vocabulary / asked
    parts = {
        "a pass over the queries (--batch-tokens)": in_pass * (SCORING_BYTES * shape.width + logits),
        "demonstrations": 8.0 * min(contexts * shown, max(shown, PREFIX_TOKENS)) * shape.key_width * shape.blocks,
    }
    return _of(shape.forward(tokens, max(1, tokens / _at_once(setting, shape)), before=shown), parts)


def _single_tokens(setting: PlannedRun) -> bool:
    """Whether scores need only the LM head's rows of the label words."""
    model, train = skeleton(setting.run.model), setting.task.splits["train"].load()
    if "choices" not in model.card.abilities:
        return True
    return only_tokens([queries_of(model, setting.prompt, [replace(each, label=None) for each in train[:2]])]) is not None


def _training(setting: PlannedRun, shots: Shots, length: float) -> Estimate:
    run, flat, method = setting.run, settings(setting.method), _trained(setting)
    shape, items, teacher = shape_of(run.model), run.shots, Estimate(0.0, 0.0)
    if "pool_size" in flat:
        items, of_shots = _number(flat["pool_size"]), run.shots * length
        if shots.unlabelled:
            items, length = min(items, len(shots.unlabelled)), _mean_tokens(setting, shots.unlabelled[:32])
        teacher = _reading(setting, items, length, of_shots, _number(flat["contexts"]))
    work, first = _work(run.model, method.update)
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
    # Each rate of each pattern is tried on every fold.
    trainings = len(FACTORS) * FOLDS[run.tune] if run.tune else 1
    return teacher + _of(trainings * len(setting.prompts) * (steps * step + once), parts)


@lru_cache
def _work(model: str, update: Update) -> tuple[Work, int]:
    """The work of the update on that model, and the first block that it changes."""
    shape = skeleton(model)
    changed = update.apply(shape, 0).parameters
    return update.work(shape, changed), min(first_changed_block(shape, changed), shape_of(model).blocks - 1)


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
