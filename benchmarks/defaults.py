"""The default learning rate of every kind of training with every update, beside its neighbours, on pretrained models.

`ours` is the mean accuracy over the evaluation sets at the default rate, `peer` the best of a third of the rate, the rate
and three times the rate, everything else as it is by default: the ratio says what a search would gain. The best of three
is flattered by chance, so that a ratio a little below 1 is what equally good rates give.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any

import torch

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.real import shapes
from inweights.methods import KINDS, METHODS, Fitted
from inweights.models.base import Backbone
from inweights.study.draw import draw
from inweights.study.outcomes import limited
from inweights.tasks import task
from inweights.types import Budget, DivergedError, Example, Task, UserError

TASKS = {"sst2": "review", "trec": "answer-type", "cb": "eval-harness"}
"""With the pattern that is used: one that both models answer with more than one label."""
SHOTS, LIMIT = 16, 60
FACTORS = (1 / 3, 1.0, 3.0)


@dataclass(frozen=True)
class Grid:
    """One model on one task."""

    model: Backbone
    task: Task
    sets: tuple[Sequence[Example], ...]
    seeds: int
    steps: int | None
    """Maximum; None: as many as the schedule asks for."""

    def tried(self, name: str, factor: float) -> dict[str, Any]:
        """Mean accuracy, last loss and steps of a method at its rate times `factor`; 0 where training diverges."""
        method: Any = METHODS[name]
        schedule = replace(method.schedule, lr=method.schedule.lr * factor)
        method = replace(method, schedule=schedule)
        if "head_lr" in vars(method):
            method = replace(method, head_lr=method.head_lr * factor)
        prompt = self.task.prompt_named(TASKS[self.task.name])
        draws = [draw(self.task, SHOTS, seed) for seed in range(self.seeds)]
        found: dict[str, Any] = {"lr": schedule.on(self.model.hidden_size).lr}
        try:
            fits = method.fit(self.model, prompt, draws, Budget(self.steps))
        except DivergedError as error:
            return {**found, "accuracy": 0.0, "failed": str(error)}
        last = mean(fitted.losses[-1] for fitted in fits)
        steps = mean(len(fitted.losses) for fitted in fits)
        return {**found, "accuracy": mean(map(self.accuracy, fits)), "last_loss": last, "steps": steps}

    def accuracy(self, fitted: Fitted) -> float:
        return mean(_accuracy(fitted, examples) for examples in self.sets)


@torch.no_grad()
def _accuracy(fitted: Fitted, examples: Sequence[Example]) -> float:
    gold = torch.tensor([example.label for example in examples])
    return float((fitted.readout(examples).argmax(-1) == gold).float().mean())


def rates(options: Options, goal: Goal) -> list[Row]:
    if options.data is None:
        raise UserError(f"expected --data DIR with {', '.join(TASKS)} in it")
    names = [name for name in METHODS if name.partition("+")[0] in KINDS]
    rows = []
    for shape in shapes(options):
        model = shape.ours()
        for name in list(TASKS)[: 1 if options.quick else None]:
            made = task(name, options.data)
            limit = 4 if options.quick else LIMIT
            sets = tuple(limited(split.load(), limit, set_name) for set_name, split in made.evaluation.items())
            grid = Grid(model, made, sets, options.repeats or 1, 1 if options.quick else None)
            rows += [row for each in names if (row := _row(shape.name, grid, each, goal, options.quick))]
    return rows


def _row(shape: str, grid: Grid, name: str, goal: Goal, quick: bool) -> Row | None:
    """None where the update has nothing to train on this model."""
    try:
        tried = {factor: grid.tried(name, factor) for factor in ((1.0,) if quick else FACTORS)}
    except UserError:
        return None
    ours, peer = tried[1.0]["accuracy"], max(each["accuracy"] for each in tried.values())
    more = {"variant": f"{grid.task.name}, {name}", "rates": list(tried.values())}
    print(json.dumps({"model": shape, **more}), file=sys.stderr, flush=True)  # hours: what is known is kept in the log
    ratio = ours / max(peer, 1e-9)
    return Row(shape, ours, peer, "accuracy", ratio, goal.here, goal.better, grid.seeds, more)


BENCHMARKS = (
    Benchmark("defaults", "learning rates by default beside their neighbours, on pretrained models", Goal(0.9, 0.9), rates),
)
