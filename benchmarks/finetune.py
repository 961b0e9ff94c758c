"""Fine-tuning by label words beside transformers' Trainer: LoRA, all weights, biases alone.

Both sides tokenise and train inside the clock and load outside it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.flop import matrix_rate, shares, training_flop
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import entailment, written
from benchmarks.trainer import Trained, rows_of, train, trained, warm_up, with_peft
from inweights.methods.pattern import PatternFineTune
from inweights.models.base import Backbone
from inweights.scoring import queries_of
from inweights.study.draw import draw
from inweights.training import Schedule
from inweights.types import Budget, Prompt, Shots
from inweights.updates import BitFit, Full, LoRA, Update

RATES = {"lora": 1e-3, "full": 5e-5, "bitfit": 1e-3}


@dataclass(frozen=True)
class Run:
    """One fine-tuning that both sides do."""

    shape: ModelShape
    model: Backbone
    prompt: Prompt
    shots: Shots
    update: Update
    schedule: Schedule

    @property
    def steps(self) -> int:
        return self.schedule.steps(len(self.shots.labelled), None)

    @property
    def tokens_per_step(self) -> int:
        queries = queries_of(self.model, self.prompt, self.shots.labelled)
        return sum(map(len, queries.trees)) * self.schedule.epochs // self.steps

    @property
    def flop_per_step(self) -> int:
        """Of the linear products, of the mean step."""
        parameters = self.update.apply(self.model, self.shots.seeds.init).parameters
        return training_flop(self.shape.theirs(), parameters, self.tokens_per_step, self.schedule.batch_size)

    def ours(self) -> Timed[list[float]]:
        method = PatternFineTune(self.update, self.schedule, loss="vocabulary")
        done = timed(lambda: method.fit(self.model, self.prompt, [self.shots], Budget()))
        return Timed(done.seconds, list(done.result[0].losses))

    def peer(self) -> Timed[list[float]]:
        warm_up()
        ready, tokenizer = self.ready(), self.shape.tokenizer()
        return timed(lambda: train(ready, rows_of(tokenizer, self.prompt, self.shots, self.schedule), self.schedule))

    def matrix_rate(self) -> Timed[float]:
        return timed(lambda: matrix_rate(self.model.module, self.tokens_per_step))

    def ready(self) -> Trained:
        """The peer's model: loaded anew, at our start, the same parameters to train."""
        adapted = self.update.apply(self.model, self.shots.seeds.init)
        module = self.shape.theirs()
        if isinstance(self.update, LoRA):
            return with_peft(module, self.update, adapted.parameters)
        return trained(module, adapted.parameters, adapted.lr_scales)


def around(turns: Mapping[str, Sequence[Timed[float]]]) -> list[float]:
    """The machine's rate in every turn, measured on both sides of ours: others at work on it change it."""
    return [(a.result + b.result) / 2 for a, b in zip(turns["before"], turns["after"], strict=True)]


def steady(lr: float, epochs: int = 1, batch_size: int = 8) -> Schedule:
    """The schedule that needs no translation: one learning rate throughout."""
    return Schedule(lr=lr, epochs=epochs, batch_size=batch_size, warmup=0.0, decay="constant")


def beside_trainer(update: Update, names: tuple[str, ...], options: Options, goal: Goal) -> list[Row]:
    task = entailment(options)
    shots = draw(task, 16 if options.quick else 64, seed=0)

    def rows(made: ModelShape) -> list[Row]:
        run = Run(made, made.ours(), task.prompt, shots, update, steady(RATES[update.name]))
        ways = {"before": run.matrix_rate, "ours": run.ours, "after": run.matrix_rate, "peer": run.peer}
        turns = in_turns(ways, options.repeats or (1 if options.quick else 2))
        proof = same(turns["ours"][0].result, turns["peer"][0].result, tolerance(1e-3))
        ours, peer = ([turn.seconds / run.steps for turn in turns[side]] for side in ("ours", "peer"))
        found = shares(run.flop_per_step, ours, around(turns))
        more = {"steps": run.steps, "tokens_per_step": run.tokens_per_step, "batch_size": 8, **found, **proof}
        return [compared(made.name, goal, "seconds per step", ours, peer, **more)]

    return on_each(names, written(task), options, rows)


BOTH = tuple(SHAPES)
BENCHMARKS = (
    Benchmark(
        "finetune-lora",
        "LoRA of rank 8 on every linear layer, beside Trainer with PEFT",
        Goal(2.0, 2.0),
        partial(beside_trainer, LoRA(), BOTH),
        needs=("accelerate",),
    ),
    Benchmark(
        "finetune-full",
        "all weights, beside Trainer",
        Goal(1.7, 2.0),
        partial(beside_trainer, Full(), BOTH),
        needs=("accelerate",),
    ),
    Benchmark(
        "finetune-bitfit",
        "biases alone, beside Trainer (Llama has none)",
        Goal(1.6, 2.0),
        partial(beside_trainer, BitFit(), BOTH[:1]),
        needs=("accelerate",),
    ),
)
