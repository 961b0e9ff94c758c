"""What one form of a learned context has taken over from its teacher, and what that has done to everything else."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from inweights.context.chunks import Chunk
from inweights.context.learn import LearningResult
from inweights.context.metrics import base_kl, contexts_read, gap_recovered, information_recovered, parting
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.teacher import teacher_answers_of, teacher_kl
from inweights.context.template import Template
from inweights.context.training_mix import replay, rows_of
from inweights.learn_records import MINIMUM_QUESTIONS, Answers, Collateral, FormResult, Recovered
from inweights.models.base import Backbone

SHARED = ("questions", "answers", "replay")
"""Phases whose work is kept on disk and used again by the next form."""
UNKNOWN = Recovered(None)


def form_result(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    outcome: LearningResult,
    settings: Settings,
    questions: Sequence[Question],
    answered: Sequence[Answers],
) -> FormResult:
    """`answered`: the questions by the model alone, the teacher and the student; empty where none was asked."""
    information = outcome.recovered[-1] if outcome.recovered else UNKNOWN
    free = apart = log_prob = UNKNOWN
    if answered:
        scores = [each.scores for each in answered]
        kl = _divergences(model, template, chunks, outcome, questions)
        information, free = information_recovered(*kl), gap_recovered(*scores)
        apart = parting(kl, (scores[0], scores[1], scores[2]))
        log_prob = gap_recovered(*(each.gold_log_probs for each in answered))
    return FormResult(
        information=reported(information),
        free=reported(free),
        parting=reported(apart),
        gold_log_prob=reported(log_prob),
        collateral=collateral(model, template, chunks, outcome, settings),
        rounds=tuple(each.value for each in outcome.recovered),
        answers_learned=len(outcome.answers.lessons),
        answers_held_out=len(outcome.held_out.lessons),
        synthetic_tokens=sum(len(each.alone.tree) for each in outcome.answers.lessons),
        seconds=outcome.seconds,
    )


def reported(share: Recovered) -> Recovered:
    """Without its interval where too few questions carry it."""
    return share if share.questions >= MINIMUM_QUESTIONS else replace(share, low=None, high=None)


def _divergences(
    model: Backbone, template: Template, chunks: Sequence[Chunk], outcome: LearningResult, questions: Sequence[Question]
) -> tuple[list[float], list[float]]:
    """Of the bare model and of the student from the teacher, in nats for each question; 0 where it answers nothing."""
    answered = {(each.question.text, each.question.chunk) for each in outcome.held_out.lessons}
    tables = [outcome.held_out]
    if not all((each.text, each.chunk) in answered for each in questions):
        about = [[each for each in questions if each.chunk == number] for number in range(len(chunks))]
        pairs = zip(chunks, about, strict=True)
        tables = [teacher_answers_of(model, template, chunk.text, own) for chunk, own in pairs if own]
    found: dict[tuple[str, int | None], tuple[float, float]] = {}
    for table in tables:
        distances = zip(table.lessons, table.bare, teacher_kl(outcome.learned, table), strict=True)
        found |= {(each.question.text, each.question.chunk): (bare, student) for each, bare, student in distances}
    both = [found.get((each.text, each.chunk), (0.0, 0.0)) for each in questions]
    return [bare for bare, _ in both], [student for _, student in both]


def seconds_of(outcome: LearningResult, outcomes: Iterable[LearningResult]) -> dict[str, float]:
    """By phase. The first form has paid for what several share: each is given what it would have cost alone."""
    shared = {phase: max(each.seconds.get(phase, 0.0) for each in outcomes) for phase in SHARED if phase in outcome.seconds}
    return outcome.seconds | shared


def collateral(
    model: Backbone, template: Template, chunks: Sequence[Chunk], outcome: LearningResult, settings: Settings
) -> Collateral:
    """On prompts of the replay's kinds, none of which was trained on."""
    fresh = replace(settings, replay=max(settings.replay, 0.2))
    rows = replay(model, template, chunks, outcome.answers, rows_of(outcome.answers)[:64], fresh, "collateral")
    read = outcome.learned.rows(rows)
    conflicting = [row for row in read if row.firsts]
    neutral = [row for row in read if not row.firsts]
    learned = outcome.learned.model
    return Collateral(
        base_kl(learned, neutral) if neutral else None,
        contexts_read(learned, template, conflicting) if conflicting else None,
    )
