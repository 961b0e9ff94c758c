"""The training of one round: the answers that are worth it, replayed prompts, and steps that a killed run goes on with."""

import random
import time
from collections.abc import Sequence

from inweights.cache import digest
from inweights.context.given_answers import taught
from inweights.context.returned_context import returned_rows
from inweights.context.setup import Setup
from inweights.context.teacher import teacher_kl
from inweights.context.train import train
from inweights.context.training_mix import replay, select_answers
from inweights.context.training_rows import Row
from inweights.context.work_cache import TeacherAnswers
from inweights.training import Resume
from inweights.training.watching import Watch

REPLAYING = 0.5
"""Share of a round's time after which no more prompts are made to be replayed."""
SHOWN_EVERY = 5
"""Seconds between two lines about the steps."""


def training(setup: Setup, answers: TeacherAnswers, number: int) -> tuple[tuple[float, ...], tuple[Row, ...]]:
    """Train `setup.learned` for the steps of one round; the losses, and the rows that were replayed."""
    chosen = _chosen(setup, answers)
    rows = chosen * _epochs(setup, len(chosen))
    # All that a round follows from: a file of another one would be taken up for this.
    texts = [(each.question.chunk, each.question.gold, each.with_context, each.alone) for each in answers.examples]
    follows = (setup.ground, texts, len(rows), number)
    replayed = _replayed(setup, answers, rows, follows, number)
    rows += _returned(setup, answers, chosen, number)
    if rows:
        setup.say(_plan(setup, len(chosen), [*rows, *replayed]))
    key = digest((follows, setup.start))
    trace = train(
        setup.learned,
        [*rows, *replayed],
        setup.settings,
        resume=Resume(setup.folder / "training" / f"{key}.safetensors", key),
        watch=_watch(setup),
        deadline=setup.clock.at((number + 1) / setup.rounds * (1 - setup.settings.polish)),
        say=setup.say,
    )
    setup.clock.spent_on("training")
    return trace.losses, tuple(replayed)


def _chosen(setup: Setup, answers: TeacherAnswers) -> list[Row]:
    wrong = teacher_kl(setup.learned, answers) if setup.warm else answers.bare
    found = taught(setup.model, setup.template, select_answers(answers, wrong, setup.settings))
    if found.given:
        setup.say(found.summary)
    return list(found.rows)


def _epochs(setup: Setup, rows: int) -> int:
    """Of one round."""
    return max(1, round(setup.settings.epochs_of(rows) * (1 - setup.settings.polish) / setup.rounds))


def _replayed(setup: Setup, answers: TeacherAnswers, rows: Sequence[Row], follows: object, number: int) -> list[Row]:
    def make() -> list[Row]:
        until, name = setup.until(number, REPLAYING), f"replay {number}"
        return replay(setup.model, setup.template, setup.chunks, answers, rows, setup.settings, name, until)

    found = setup.store.rows((follows, setup.clock.budget), make)
    setup.clock.spent_on("replay")
    return found


def _returned(setup: Setup, answers: TeacherAnswers, rows: Sequence[Row], number: int) -> list[Row]:
    share = setup.settings.returned * _epochs(setup, len(rows))
    rng = random.Random(f"returned {number} {setup.settings.seed}")
    return returned_rows(setup.model, setup.template, setup.chunks, answers.examples, rows, share, rng)


def _plan(setup: Setup, answers: int, rows: Sequence[Row]) -> str:
    """What training will be, in one line."""
    mean_tokens = sum(len(row.tree) for row in rows) / len(rows)
    schedule = setup.settings.schedule(len(rows), mean_tokens, setup.model.hidden_size)
    return (
        f"training: {schedule.steps(len(rows), None):,} steps of {schedule.batch_size} texts, rate {schedule.lr:.2g}, "
        f"from {answers:,} answers and {len(rows):,} texts with repetitions and replay"
    )


def _watch(setup: Setup) -> Watch:
    """Prints how far training is, every few seconds."""
    last = [time.monotonic()]

    def watch(step: int, steps: int, loss: float) -> None:
        if time.monotonic() - last[0] > SHOWN_EVERY:
            last[0] = time.monotonic()
            setup.clock.spent_on("training")
            setup.say(f"step {step:,} of {steps:,}, loss {loss:.4f}")

    return watch
