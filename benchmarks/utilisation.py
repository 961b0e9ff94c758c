"""How near fine-tuning comes to the machine: the FLOP per second of its linear products, beside these products alone."""

from benchmarks.bench import Benchmark, Goal, Options, Row, compared, in_turns
from benchmarks.finetune import RATES, Run, around, steady
from benchmarks.shapes import SHAPES, ModelShape, on_each
from benchmarks.text import entailment, written
from inweights.study.draw import draw
from inweights.updates import Full, LoRA, Update

UPDATES: tuple[Update, ...] = (LoRA(), Full())


def achieved(options: Options, goal: Goal) -> list[Row]:
    task = entailment(options)
    shots = draw(task, 16 if options.quick else 64, seed=0)

    def rows(made: ModelShape) -> list[Row]:
        model = made.ours()
        runs = [Run(made, model, task.prompt, shots, each, steady(RATES[each.name])) for each in UPDATES]
        return [_row(run, options, goal) for run in runs]

    return on_each(SHAPES, written(task), options, rows)


def _row(run: Run, options: Options, goal: Goal) -> Row:
    ways = {"before": run.matrix_rate, "ours": run.ours, "after": run.matrix_rate}
    turns = in_turns(ways, options.repeats or (1 if options.quick else 3))
    flop = run.flop_per_step
    ours = [flop * run.steps / turn.seconds for turn in turns["ours"]]
    more = {"update": run.update.name, "tokens_per_step": run.tokens_per_step, "flop_per_step": flop}
    return compared(run.shape.name, goal, "FLOP per second", ours, around(turns), **more)


BENCHMARKS = (
    Benchmark(
        "utilisation",
        "FLOP per second of training's linear products, beside the rate of such products alone",
        Goal(0.85, 0.5, ratio="ours / peer"),
        achieved,
    ),
)
