"""What `inweights plan` predicts of a run's time and memory, beside what the run then takes.

`ours` is predicted, `peer` measured; the ratio is the larger of the two over the smaller.
"""

from dataclasses import replace
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.shapes import SHAPES, ModelShape, on_each
from benchmarks.text import entailment, written
from inweights.methods import method
from inweights.models.skeleton import skeleton
from inweights.study.do import execute
from inweights.study.estimate import estimate
from inweights.study.loading import load
from inweights.study.planned import PlannedRun
from inweights.types import Budget, Run, Weights

METHODS = ("icl", "pbft", "pbft+lora", "pbft+bitfit", "adaptive", "distill+lora")
SETTINGS = {"distill+lora": {"pool_size": "64", "contexts": "2"}}
STEPS = 6


def predicted(options: Options, goal: Goal) -> list[Row]:
    task = entailment(options)

    def rows(made: ModelShape) -> list[Row]:
        loaded, found = load(Weights(str(made.place))), []
        for name in METHODS:
            if name == "pbft+bitfit" and made.name.startswith("llama"):
                continue  # it has no biases
            found += _rows(made, name, task, loaded, options, goal)
        skeleton.cache_clear()
        return found

    return on_each(SHAPES, written(task), options, rows)


def _rows(made: ModelShape, name: str, task: Any, loaded: Any, options: Options, goal: Goal) -> list[Row]:
    settings = SETTINGS.get(name, {})
    run = Run(Weights(str(made.place)), task.name, name, 16, 0, task.prompt.name, settings, Budget(STEPS), 64)
    setting = PlannedRun(run, task, task.prompt, method(name, settings))
    execute(replace(setting, run=replace(run, budget=Budget(1), limit=4)), loaded)  # once before the clock starts
    record = execute(setting, loaded)
    assert record.status == "ok", record.reason
    assert record.adapt is not None
    assert record.predict is not None
    said = estimate(setting)
    seconds = record.adapt.seconds + record.predict.seconds
    peak = float(max(record.adapt.peak_bytes, record.predict.peak_bytes))
    return [
        _row(made, goal, said.seconds, seconds, "seconds", f"{name}, time"),
        _row(made, goal, said.peak_bytes, peak, "bytes", f"{name}, memory"),
    ]


def _row(made: ModelShape, goal: Goal, said: float, took: float, unit: str, variant: str) -> Row:
    ratio = max(said / took, took / said)
    return Row(made.name, said, took, unit, ratio, goal.here, goal.better, 1, {"variant": variant})


BENCHMARKS = (
    Benchmark(
        "plan",
        "time and memory that `inweights plan` predicts, beside those that the runs take",
        Goal(1.25, 1.25, better="lower"),
        predicted,
    ),
)
