"""Ten seeds of LoRA in one call of `fit`, beside ten runs of Trainer with PEFT one after another.

The peer trains the first two and counts five times: its runs have nothing to do with one another.
"""

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.finetune import RATES, Run, steady
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import entailment, written
from inweights.methods.pattern import PatternFineTune
from inweights.study.draw import draw
from inweights.types import Budget, Shots
from inweights.updates import LoRA

SEEDS = 10
MEASURED = 2


def together(options: Options, goal: Goal) -> list[Row]:
    task, schedule = entailment(options), steady(RATES["lora"], epochs=1 if options.quick else 2)
    draws = [draw(task, 8 if options.quick else 16, seed) for seed in range(SEEDS)]

    def rows(made: ModelShape) -> list[Row]:
        run = Run(made, made.ours(), task.prompt, draws[0], LoRA(), schedule)
        first = [replace(run, shots=each) for each in draws[:MEASURED]]
        ways = {"ours": lambda: _ours(run, draws), "peer": lambda: _peer(first)}
        turns = in_turns(ways, options.repeats or (1 if options.quick else 2))
        proof = same(turns["ours"][0].result[:MEASURED], turns["peer"][0].result, tolerance(1e-3))
        ours = [turn.seconds for turn in turns["ours"]]
        peer = [turn.seconds * SEEDS / MEASURED for turn in turns["peer"]]
        more = {"seeds": SEEDS, "seeds_measured_of_peer": MEASURED, "steps_per_seed": run.steps, **proof}
        return [compared(made.name, goal, "seconds for ten seeds", ours, peer, **more)]

    return on_each(SHAPES, written(task), options, rows)


def _ours(run: Run, draws: Sequence[Shots]) -> Timed[list[tuple[float, ...]]]:
    method = PatternFineTune(run.update, run.schedule, loss="vocabulary")
    done = timed(lambda: method.fit(run.model, run.prompt, draws, Budget()))
    return Timed(done.seconds, [each.losses for each in done.result])


def _peer(runs: list[Run]) -> Timed[list[list[float]]]:
    done = [run.peer() for run in runs]
    return Timed(sum(each.seconds for each in done), [each.result for each in done])


BENCHMARKS = (
    Benchmark(
        "finetune-seeds",
        "ten seeds of LoRA on 16 examples together, beside ten runs of Trainer with PEFT",
        Goal(2.2, 10),
        together,
        needs=("accelerate",),
    ),
)
