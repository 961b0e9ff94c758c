"""Whether a student that predicts its teacher's answers also gives them, on the held-out questions of a run."""

from collections.abc import Sequence
from dataclasses import replace

from inweights.context.metrics import parting
from inweights.context.qa_tokens import Question, text_of
from inweights.context.setup import Setup
from inweights.context.systems import System, learned_system, primary_metric, respond
from inweights.context.teacher import teacher_kl
from inweights.context.work_cache import TeacherAnswers
from inweights.learn_records import Recovered

MAXIMUM = 48
"""Questions that are answered for it."""


def parting_of(setup: Setup, held_out: TeacherAnswers) -> Recovered:
    """R_KL - R_free, where the teacher's own answers count as right."""
    answered = held_out.examples[:MAXIMUM]
    questions = [
        replace(each.question, gold=text_of(setup.model, setup.template, each.with_context.completion_ids))
        for each in answered
    ]
    alone, student = (
        _scores(each, setup, questions) for each in (System("", setup.model), learned_system("", setup.learned))
    )
    kl = (held_out.bare[:MAXIMUM], teacher_kl(setup.learned, held_out)[:MAXIMUM])
    return parting(kl, (alone, [1.0] * len(questions), student))


def _scores(system: System, setup: Setup, questions: Sequence[Question]) -> Sequence[float]:
    return respond(system, setup.template, questions, primary_metric(setup.template, given=False)).scores
