"""Peak memory of context distillation over that of fine-tuning on the same text, each in a process of its own.

`python -m benchmarks.memory FOLDER METHOD EXAMPLES [DATA]` is that process; it prints what it took as JSON.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row, compared
from benchmarks.finetune import RATES, steady
from benchmarks.shapes import SHAPES, ModelShape, on_each
from benchmarks.text import acceptability, written
from inweights.meter import measure
from inweights.methods import Method
from inweights.methods.context_distillation import ContextDistillation
from inweights.methods.pattern import PatternFineTune
from inweights.models import load
from inweights.study.draw import draw
from inweights.types import Budget, Shots
from inweights.updates import Full

SCHEDULE = steady(RATES["full"], batch_size=16)
METHODS: Mapping[str, Method] = {
    "distillation": ContextDistillation(Full(), SCHEDULE, "top_k", contexts=1),
    "fine-tuning": PatternFineTune(Full(), SCHEDULE, loss="vocabulary"),
}
SHOWN = 16
ALIKE = ("trained_parameters", "steps", "batch_size", "examples")


def beside_finetuning(options: Options, goal: Goal) -> list[Row]:
    repeats = options.repeats or (1 if options.quick else 2)

    def rows(made: ModelShape) -> list[Row]:
        turns = [{method: _process(made, method, options) for method in METHODS} for _ in range(repeats)]
        first = [turns[0][method] for method in METHODS]
        assert len({tuple(each[name] for name in ALIKE) for each in first}) == 1, f"not the same work: {first}"
        ours, peer = ([float(turn[method]["peak_bytes"]) for turn in turns] for method in METHODS)
        more = {name: first[0][name] for name in (*ALIKE, "meter")}
        return [compared(made.name, goal, "bytes", ours, peer, **more)]

    return on_each(SHAPES, written(acceptability(options)), options, rows)


def _process(made: ModelShape, method: str, options: Options) -> dict[str, Any]:
    examples = 32 if options.quick else 64
    words = [str(made.place), method, str(examples), *([str(options.data)] if options.data else [])]
    done = subprocess.run([sys.executable, "-m", "benchmarks.memory", *words], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main(place: str, method: str, examples: int, data: Path | None) -> None:
    """Fits once and prints what it took."""
    task, model = acceptability(Options(data)), load(place)
    drawn = draw(task, SHOWN + examples, seed=0)
    shown, texts = drawn.labelled[:SHOWN], drawn.labelled[SHOWN:]
    shots = Shots(texts, (), (), drawn.seeds)
    if method == "distillation":
        shots = replace(shots, labelled=shown, unlabelled=tuple(replace(each, label=None) for each in texts))
    [found], cost = measure(lambda: METHODS[method].fit(model, task.prompt, [shots], Budget()), model.counter)
    result = {
        "peak_bytes": cost.peak_bytes,
        "meter": cost.meter,
        "trained_parameters": sum(each.numel() for each in found.trained.values()),
        "steps": len(found.losses),
        "batch_size": SCHEDULE.batch_size,
        "examples": examples,
    }
    print(json.dumps(result))


BENCHMARKS = (
    Benchmark(
        "distillation-memory",
        "peak memory of distillation into all weights, over that of fine-tuning them on the same text",
        Goal(1.1, 1.1, better="lower", ratio="ours / peer"),
        beside_finetuning,
    ),
)

if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]) if len(sys.argv) > 4 else None)
