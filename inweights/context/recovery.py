"""What one form of a learned context has taken over from its teacher, and what that has done to everything else."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from inweights.context.evaluation_time import in_time
from inweights.context.learn import LearningResult, seconds_of
from inweights.context.method_inputs import MethodInputs
from inweights.context.metrics import base_kl, contexts_read, gap_recovered, information_recovered, parting
from inweights.context.qa_tokens import Question
from inweights.context.replay import conflicting_rows, neutral_rows
from inweights.context.teacher import teacher_answers_of, teacher_kl
from inweights.learn_records import MINIMUM_QUESTIONS, Collateral, FormResult, Recovered
from inweights.types import Outcome

UNKNOWN = Recovered(None)
COLLATERAL = 10
"""Changed contexts, and texts from nothing, on which it is measured what learning has damaged."""


def form_result(
    inputs: MethodInputs,
    result: LearningResult,
    questions: Sequence[Question],
    outcomes: Sequence[Outcome],
    until: float = math.inf,
) -> FormResult:
    """`outcomes`: of the questions by the model alone, the teacher and the student; empty where none was asked. `until`:
    on time.monotonic(); after it, it is not measured what learning has damaged."""
    information = result.recovered[-1] if result.recovered else UNKNOWN
    free = apart = log_prob = UNKNOWN
    if outcomes:
        alone, teacher, student = (each.scores for each in outcomes)
        kl = _divergences(inputs, result, questions)
        information, free = information_recovered(*kl), gap_recovered(alone, teacher, student)
        apart = parting(kl, (alone, teacher, student))
        log_prob = gap_recovered(*(each.gold_log_probs for each in outcomes))
    return FormResult(
        information=reported(information),
        free=reported(free),
        parting=reported(apart),
        gold_log_prob=reported(log_prob),
        collateral=_collateral(inputs, result) if in_time(until) else Collateral(None, None),
        rounds=tuple(each.value for each in result.recovered),
        answers_learned=len(result.answers.examples),
        answers_held_out=len(result.held_out.examples),
        synthetic_tokens=sum(len(each.alone.tree) for each in result.answers.examples),
        seconds=seconds_of(result, inputs.results.values()),
    )


def reported(share: Recovered) -> Recovered:
    """Without its interval where too few questions carry it."""
    return share if share.questions >= MINIMUM_QUESTIONS else replace(share, low=None, high=None)


def _divergences(
    inputs: MethodInputs, result: LearningResult, questions: Sequence[Question]
) -> tuple[list[float], list[float]]:
    """Of the bare model and of the student from the teacher, in nats for each question; 0 where it answers nothing."""
    answered = {(each.question.text, each.question.chunk) for each in result.held_out.examples}
    tables = [result.held_out]
    if not all((each.text, each.chunk) in answered for each in questions):
        about = [[each for each in questions if each.chunk == number] for number in range(len(inputs.chunks))]
        pairs = zip(inputs.chunks, about, strict=True)
        tables = [teacher_answers_of(inputs.model, inputs.template, chunk.text, some) for chunk, some in pairs if some]
    found: dict[tuple[str, int | None], tuple[float, float]] = {}
    for table in tables:
        distances = zip(table.examples, table.bare, teacher_kl(result.learned, table), strict=True)
        found |= {(each.question.text, each.question.chunk): (bare, student) for each, bare, student in distances}
    both = [found.get((each.text, each.chunk), (0.0, 0.0)) for each in questions]
    return [bare for bare, _ in both], [student for _, student in both]


def _collateral(inputs: MethodInputs, result: LearningResult) -> Collateral:
    """On prompts of the replay's kinds, none of which was trained on, and whole pieces among them."""
    model, template = inputs.model, inputs.template
    rng = random.Random(f"collateral {inputs.settings.seed}")
    rows = conflicting_rows(model, template, inputs.chunks, result.answers.examples, COLLATERAL, rng)
    rows += neutral_rows(model, COLLATERAL, rng)
    read = result.learned.rows(rows)
    conflicting = [row for row in read if row.firsts]
    neutral = [row for row in read if not row.firsts]
    learned = result.learned.model
    return Collateral(
        base_kl(learned, neutral) if neutral else None,
        contexts_read(learned, template, conflicting) if conflicting else None,
    )
