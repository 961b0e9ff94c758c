"""The last two blocks for many epochs: what precedes them gives the same states in every epoch.

The peer trains the first tenth of the epochs and counts ten times: each costs it as much as the next.
"""

from dataclasses import replace

from benchmarks.bench import Benchmark, Goal, Options, Row, compared, in_turns, same
from benchmarks.finetune import RATES, Run, steady
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import entailment, written
from inweights.study.draw import draw
from inweights.updates import LastBlocks

TIMES = 10


def last_blocks(options: Options, goal: Goal) -> list[Row]:
    task, (shots, epochs) = entailment(options), (16, 10) if options.quick else (32, 40)
    # Of the two layers of a quick run one stays frozen.
    update, schedule = LastBlocks(blocks=1 if options.quick else 2), steady(RATES["full"], epochs)

    def rows(made: ModelShape) -> list[Row]:
        run = Run(made, made.ours(), task.prompt, draw(task, shots, seed=0), update, schedule)
        tenth = replace(run, schedule=replace(schedule, epochs=epochs // TIMES))
        turns = in_turns({"ours": run.ours, "peer": tenth.peer}, options.repeats or (1 if options.quick else 2))
        proof = same(turns["ours"][0].result[: tenth.steps], turns["peer"][0].result, tolerance(1e-3))
        ours = [turn.seconds for turn in turns["ours"]]
        peer = [turn.seconds * TIMES for turn in turns["peer"]]
        more = {"epochs": epochs, "epochs_measured_of_peer": epochs // TIMES, "examples": shots, **proof}
        return [compared(made.name, goal, f"seconds for {epochs} epochs", ours, peer, **more)]

    return on_each(SHAPES, written(task), options, rows)


BENCHMARKS = (
    Benchmark(
        "finetune-adaptive",
        "the last two blocks for 40 epochs on 32 examples, beside Trainer",
        Goal(6, 5),
        last_blocks,
        needs=("accelerate",),
    ),
)
