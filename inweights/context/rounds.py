"""One round of learning a context: new questions, the teacher's answers, training, and how much has been recovered."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from statistics import mean

from inweights.context.conversation import spelled
from inweights.context.metrics import information_recovered
from inweights.context.qa_tokens import text_of
from inweights.context.question_sampling import QuestionSplit, own_questions, split_held_out
from inweights.context.question_turns import LESSON_TOKENS
from inweights.context.round_training import training
from inweights.context.setup import Setup
from inweights.context.teacher import teacher_answers, teacher_kl
from inweights.context.training_rows import Row
from inweights.context.work_cache import TeacherAnswers
from inweights.learn_records import Recovered
from inweights.wording import counted

ASKING, ANSWERING = 0.2, 0.4
"""Shares of a round's time after which no more is asked, nor answered."""
SAMPLES, SHOWN = 5, 100
"""Questions that are printed with their answers, and characters of each answer."""
NOTHING = TeacherAnswers((), (), ())


@dataclass(frozen=True)
class Progress:
    """What the rounds so far have come to."""

    questions: QuestionSplit
    shares: tuple[float, ...]
    """Of the next questions, by piece."""
    reworded: int = 0
    """Paraphrases of the user's questions."""
    answers: TeacherAnswers = NOTHING
    held_out: TeacherAnswers = NOTHING
    recovered: tuple[Recovered, ...] = ()
    losses: tuple[float, ...] = ()
    replayed: tuple[Row, ...] = field(repr=False, default=())


def next_round(setup: Setup, progress: Progress, number: int) -> Progress:
    """Train `setup.learned` for one more round."""
    questions = _questions(setup, progress, number) if setup.own else progress.questions
    held_out, answers = _answers(setup, questions, number)
    losses, replayed = training(setup, answers, number)
    distances = teacher_kl(setup.learned, held_out)
    recovered = information_recovered(held_out.bare, distances)
    setup.clock.spent_on("measuring")
    setup.say(f"round {number + 1} of {setup.rounds}: {_spelled(recovered)} recovered on held-out questions")
    shares = _shares(held_out, distances, setup.tokens)
    before = progress.recovered, progress.losses
    return Progress(
        questions, shares, progress.reworded, answers, held_out, (*before[0], recovered), before[1] + losses, replayed
    )


def _questions(setup: Setup, progress: Progress, number: int) -> QuestionSplit:
    """With the model's own questions about each piece, more of them where less is known yet."""
    known, settings, until = progress.questions.all, setup.settings, setup.until(number, ASKING)
    most = max(0.0, setup.own_tokens - LESSON_TOKENS * progress.reworded) / setup.rounds
    tokens = [most * share * (number in setup.own) for number, share in enumerate(progress.shares)]
    with setup.asking() as (model, template):
        new = own_questions(model, template, setup.chunks, tokens, setup.store, settings.seed, known, until, setup.say)
    setup.clock.spent_on("questions")
    return split_held_out([*known, *new], settings.held_out)


def _answers(setup: Setup, questions: QuestionSplit, number: int) -> tuple[TeacherAnswers, TeacherAnswers]:
    """The teacher's answers to the questions held out, and to those that are learned."""
    until = setup.until(number, ANSWERING)
    with setup.teaching() as teacher:
        ask = partial(teacher_answers, setup.model, setup.template, setup.chunks, wide=setup.settings.wide)
        answer = partial(ask, store=setup.store, until=until, teacher=teacher if setup.teacher else None)
        # Those held out come first: a verdict needs them, whatever the budget.
        held_out, answers = answer(questions.held_out), answer(questions.learned)
    setup.say(f"{counted(len(answers.examples), 'answer')} to train on, {len(held_out.examples):,} held out")
    left_out = len(questions.all) - len(answers.examples) - len(held_out.examples)
    if left_out:
        counted_out = counted(left_out, "question")
        setup.say(f"left out: {counted_out} without an answer in time, or with one that repeats the prompt")
    for each in answers.examples[:SAMPLES]:
        output = text_of(setup.model, setup.template, each.alone.completion_ids)
        setup.say(f"  {spelled(each.question.text)}  ->  {output[:SHOWN]}")
    setup.clock.spent_on("answers")
    return held_out, answers


def _shares(held_out: TeacherAnswers, distances: Sequence[float], tokens: Sequence[float]) -> tuple[float, ...]:
    """Of the next questions: a piece's length times what is not known of it; equal where none is held out."""
    lost: dict[int, list[float]] = {}
    for each, distance in zip(held_out.examples, distances, strict=True):
        if each.question.chunk is not None:
            lost.setdefault(each.question.chunk, []).append(distance)
    means = {chunk: mean(each) for chunk, each in lost.items()}
    default = mean(means.values()) if means else 1.0
    weights = [size * means.get(chunk, default) for chunk, size in enumerate(tokens)]
    total = sum(weights)
    return tuple(each / total for each in weights) if total > 0 else (1 / len(tokens),) * len(tokens)


def _spelled(recovered: Recovered) -> str:
    return "not enough to tell" if recovered.value is None else f"{recovered.value:.0%} of the information"
