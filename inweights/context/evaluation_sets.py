"""Evaluation sets of a learned context: questions with given answers, and those that nothing was trained on."""

import random
from collections.abc import Sequence
from dataclasses import replace

from inweights.context.chunks import Chunk
from inweights.context.conversation import spelled
from inweights.context.qa_tokens import Question, text_of
from inweights.context.systems import primary_metric
from inweights.context.teacher import assign_chunks
from inweights.context.template import Template
from inweights.context.work_cache import TeacherAnswers
from inweights.learn_records import HELD_OUT, TEST, EvaluationSet
from inweights.models.base import Backbone

MAXIMUM = 400
"""Questions of an evaluation set; of more, some are drawn."""


def evaluation_set(questions: Sequence[Question], template: Template, available: int, given: bool) -> EvaluationSet:
    return EvaluationSet(
        questions=tuple(spelled(each.text) for each in questions),
        kinds=tuple(each.kind for each in questions),
        places=tuple(each.place or 0.0 for each in questions),
        metric=primary_metric(template, given),
        given=given,
        available=available,
    )


def questions_by_set(
    model: Backbone, template: Template, chunks: Sequence[Chunk], held_out: TeacherAnswers, tests: Sequence[Question]
) -> dict[str, list[Question]]:
    """By evaluation set; the one that verdicts are about comes first."""
    answered = []
    for example in held_out.examples:
        if answer := text_of(model, template, example.with_context.completion_ids):
            answered.append(replace(example.question, gold=answer))
    found = {TEST: assign_chunks(model, template, chunks, tests) if tests else [], HELD_OUT: answered}
    return {name: [_placed(each, len(chunks)) for each in questions] for name, questions in found.items() if questions}


def _placed(question: Question, pieces: int) -> Question:
    return question if question.place is not None else replace(question, place=(question.chunk or 0) / pieces)


def drawn(questions: Sequence[Question], seed: int, maximum: int = MAXIMUM) -> list[Question]:
    """From all over the document, not its beginning."""
    numbers = random.Random(seed).sample(range(len(questions)), min(maximum, len(questions)))
    return [questions[number] for number in sorted(numbers)]
