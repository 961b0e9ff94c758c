"""Training a student on what its teacher said, beside prompts on which it is to stay what it was."""

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inweights.context.passes import Passes
from inweights.context.prefix import prefix_begun
from inweights.context.settings import Settings
from inweights.context.training_rows import Row, Student, without_front
from inweights.models.base import Backbone
from inweights.scoring.completions import Completion
from inweights.scoring.teacher_logprobs import Divergence, TeacherLogprobs
from inweights.training import Job, Resume, Trace, minimize
from inweights.training.watching import Watch
from inweights.types import Seeds, UserError
from inweights.updates import Adapted, LoRA

TIMED_TOKENS = 1024
"""Of the part of a step that is timed."""


@dataclass(frozen=True)
class LearnedContext:
    """The model with what it has learnt on."""

    adapted: Adapted
    front: int
    """Tokens that begin every text and that the update itself stands for: 0 but for a prefix."""

    @property
    def model(self) -> Backbone:
        return self.adapted.model

    def rows(self, rows: Sequence[Row]) -> list[Row]:
        """As this model reads them."""
        return [without_front(row, self.front) for row in rows] if self.front else list(rows)

    def reads(self, asked: Completion) -> Completion:
        return Completion(asked.prompt_ids[self.front :], asked.completion_ids)


def initial_update(model: Backbone, texts: Sequence[str], settings: Settings) -> LearnedContext:
    """The update before the first step. `texts`: the context's pieces, which a prefix begins as."""
    if settings.form == "lora":
        return LearnedContext(LoRA(settings.rank, settings.alpha).apply(model, settings.seed), 0)
    tokens = sum(model.count_tokens(list(texts)))
    size = settings.size or min(settings.prefix_tokens(tokens), model.card.max_tokens // 2)
    return LearnedContext(prefix_begun(model, texts, size, settings.seed), len(model.encode([""])[0]))


def train(
    learned: LearnedContext,
    rows: Sequence[Row],
    settings: Settings,
    *,
    resume: Resume | None = None,
    watch: Watch | None = None,
    deadline: float = math.inf,
    divergence: Divergence = TeacherLogprobs.kl_to,
    say: Callable[[str], None] = lambda text: None,
) -> Trace:
    """Change the update in place, training on every row once; a row to be trained on again is given again.

    `deadline`: on time.monotonic(); as many steps are taken as end before it. Raises UserError where there is nothing
    to learn from.
    """
    if not rows:
        raise UserError("there is nothing to learn from: no question was answered")
    model = learned.model
    student = Student(learned.rows(rows), divergence)
    mean = sum(len(row.tree) for row in rows) / len(rows)
    schedule = settings.schedule(len(rows), mean, model.hidden_size)
    steps = schedule.steps(len(rows), None)
    budget = settings.memory * 1e9 if settings.memory else None
    passes = Passes(model, learned.adapted.parameters, student, budget)
    say(f"training needs about {passes.forecast_bytes(schedule.batch_size) / 1e9:.1f} GB of memory beside the model")
    if deadline < math.inf:
        steps = max(1, min(steps, int((deadline - time.monotonic()) / seconds_of_step(passes, schedule.batch_size))))
    seed = settings.seed
    return minimize(
        passes.loss,
        Job(learned.adapted.parameters, range(len(rows)), schedule, Seeds(seed, seed, seed, seed)),
        model.module,
        most_steps=steps,
        pieces=passes.split,
        resume=resume,
        watch=watch,
    )


def seconds_of_step(passes: Passes, batch: int) -> float:
    """Measured on part of a batch, twice, the second time in earnest; nothing is changed."""
    lengths = passes.student.lengths
    count = max(1, min(batch, int(TIMED_TOKENS * len(lengths) / max(1, sum(lengths)))))
    part = random.Random(0).sample(range(len(lengths)), min(count, len(lengths)))  # the last rows are longer than the first
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        for piece in passes.split(part):
            passes.loss(piece).sum().backward()
        seconds = (time.perf_counter() - started) * batch / count
        for parameter in passes.parameters.values():
            parameter.grad = None
    return max(seconds, 1e-4)
