"""Context distillation of 16 demonstrations over 512 inputs, three epochs, beside a two-model loop and TRL's SDFT.

The peers take the first four steps and count for all: each costs them as much as the next. Of ours the whole of `fit`
is timed, the teacher's answers included, which are computed once.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from benchmarks.bench import Benchmark, Goal, Options, Row, Timed, compared, in_turns, same, timed
from benchmarks.distillation_peer import TOP, Losses, two_models
from benchmarks.distillation_sdft import sdft, self_distillation
from benchmarks.finetune import RATES, steady
from benchmarks.shapes import SHAPES, ModelShape, on_each, tolerance
from benchmarks.text import acceptability, written
from benchmarks.trainer import Trained, warm_up, with_peft
from inweights.methods.context_distillation import ContextDistillation
from inweights.models.base import Backbone
from inweights.study.draw import draw
from inweights.training import Schedule
from inweights.types import Budget, Prompt, Shots
from inweights.updates import LoRA

MEASURED = 4
Targets = Literal["top_k", "vocabulary"]


@dataclass(frozen=True)
class Distilling:
    """One distillation that both sides do."""

    shape: ModelShape
    model: Backbone
    prompt: Prompt
    shots: Shots
    schedule: Schedule

    @property
    def steps(self) -> int:
        return self.schedule.steps(len(self.shots.unlabelled), None)

    @cached_property
    def context(self) -> str:
        shown = random.Random(self.shots.seeds.order).sample(self.shots.labelled, len(self.shots.labelled))
        return self.prompt.context(shown)

    @cached_property
    def batches(self) -> list[list[str]]:
        """The prompts of our first steps, in their order."""
        pool, size = self.shots.unlabelled, self.schedule.batch_size
        texts = [self.prompt.body(each) for each in random.Random(self.shots.seeds.order).sample(pool, len(pool))]
        return [texts[start : start + size] for start in range(0, MEASURED * size, size)]

    def ours(self, targets: Targets) -> Timed[list[float]]:
        pool = len(self.shots.unlabelled)
        method = ContextDistillation(LoRA(), self.schedule, targets, top_k=TOP, contexts=1, pool_size=pool)
        done = timed(lambda: method.fit(self.model, self.prompt, [self.shots], Budget()))
        [found] = done.result
        assert found.notes["demonstrations"] == len(self.shots.labelled)
        return Timed(done.seconds, list(found.losses[:MEASURED]))

    def student(self) -> Trained:
        """The peer's, begun at our A."""
        start = LoRA().apply(self.model, self.shots.seeds.init).parameters
        return with_peft(self.shape.theirs(), LoRA(), start)

    def loop(self) -> Timed[Losses]:
        teacher, student, tokenizer = self.shape.theirs(), self.student(), self.shape.tokenizer()
        return timed(lambda: two_models(teacher, student, tokenizer, self.context, self.batches, self.schedule))

    def sdft(self) -> Timed[list[float]]:
        warm_up()
        sdft()
        student, tokenizer = self.student(), self.shape.tokenizer()
        return timed(lambda: self_distillation(student, tokenizer, self.context, self.batches, self.schedule))


def beside_two_models(options: Options, goal: Goal) -> list[Row]:
    def rows(work: Distilling) -> list[Row]:
        ways = {"top_k": lambda: work.ours("top_k"), "vocabulary": lambda: work.ours("vocabulary"), "peer": work.loop}
        turns = in_turns(ways, options.repeats or 1)
        theirs = turns["peer"][0].result
        # The peer trains on the whole vocabulary, so only its first loss is that of training on the likeliest tokens.
        return [
            _row(work, goal, "top_k", turns, theirs.top[:1]),
            _row(work, goal, "vocabulary", turns, theirs.vocabulary),
        ]

    return _on_each(options, rows)


def beside_sdft(options: Options, goal: Goal) -> list[Row]:
    def rows(work: Distilling) -> list[Row]:
        ways = {"vocabulary": lambda: work.ours("vocabulary"), "peer": work.sdft}
        turns = in_turns(ways, options.repeats or 1)
        return [_row(work, goal, "vocabulary", turns, turns["peer"][0].result)]

    return _on_each(options, rows)


def _on_each(options: Options, rows: Callable[[Distilling], list[Row]]) -> list[Row]:
    task, drawn = acceptability(options), draw(acceptability(options), 16, seed=0)
    pool, batch = (16, 4) if options.quick else (512, 16)
    shots = replace(drawn, unlabelled=drawn.unlabelled[:pool])
    schedule = steady(RATES["lora"], epochs=1 if options.quick else 3, batch_size=batch)

    def measured(made: ModelShape) -> list[Row]:
        return rows(Distilling(made, made.ours(), task.prompt, shots, schedule))

    return on_each(SHAPES, written(task), options, measured)


def _row(work: Distilling, goal: Goal, targets: Targets, turns: dict[str, list[Timed]], theirs: Sequence[float]) -> Row:
    """`theirs`: the losses that ours must be, from the first step on."""
    proof = same(turns[targets][0].result[: len(theirs)], theirs, tolerance(1e-4))
    ours = [turn.seconds for turn in turns[targets]]
    peer = [turn.seconds * work.steps / MEASURED for turn in turns["peer"]]
    more = {
        "variant": targets,
        "steps": work.steps,
        "steps_measured_of_peer": MEASURED,
        "steps_compared": len(theirs),
        "context_tokens": len(work.model.encode([work.context])[0]),
        **proof,
    }
    return compared(work.shape.name, goal, f"seconds for {work.steps} steps", ours, peer, **more)


BENCHMARKS = (
    Benchmark(
        "distillation",
        "16 demonstrations distilled into LoRA over 512 inputs, beside a loop with two models",
        Goal(10, 10),
        beside_two_models,
    ),
    Benchmark(
        "distillation-sdft",
        "the same beside TRL's self-distillation trainer",
        Goal(10, 10),
        beside_sdft,
        needs=("trl", "datasets", "accelerate"),
    ),
)
