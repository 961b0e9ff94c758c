"""Answers that the user gave with the questions, as targets of training beside the teacher's distributions."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inweights.context.qa_tokens import Question, TeacherAnswer, text_of
from inweights.context.template import Template
from inweights.context.training_rows import Row, row_of
from inweights.context.work_cache import TeacherAnswers
from inweights.metrics import contained, exact_match
from inweights.models.base import Backbone
from inweights.models.decoding import end_ids
from inweights.models.shared_prefix import common
from inweights.plain_text import as_data
from inweights.scoring.completions import Completion
from inweights.scoring.teacher_logprobs import TeacherLogprobs

SMOOTHING = 0.02
"""Probability that a given answer leaves to all other tokens."""
WEIGHT = 1.0
"""Of a position of a given answer, beside 1 for one of the teacher's."""


@dataclass(frozen=True)
class Taught:
    """The rows of training, and what became of the answers that were given."""

    rows: tuple[Row, ...]
    given: int
    """Questions that came with an answer."""
    contradicted: int
    """Of these, the ones whose answer the teacher's does not contain: only the given answer is taught."""

    @property
    def summary(self) -> str:
        return (
            f"{self.given:,} questions have a given answer, which is taught as well; {self.contradicted:,} of the teacher's "
            "answers do not contain it and are left out"
        )


def taught(model: Backbone, template: Template, answered: TeacherAnswers) -> Taught:
    """The teacher's answers, and the given ones where the teacher did not give exactly these."""
    rows, given, contradicted = list[Row](), 0, 0
    end = _end_token(model, template, answered.examples)
    for each, teacher in zip(answered.examples, answered.logprobs, strict=True):
        gold = each.question.gold
        answer = text_of(model, template, each.alone.completion_ids)
        wrong = bool(gold) and not contained(answer, gold)
        given, contradicted = given + bool(gold), contradicted + wrong
        if not wrong:
            rows.append(row_of(each.alone.tree, teacher))
        if gold and not exact_match(answer, gold):
            rows.append(_gold_row(model, template, each, end))
    return Taught(tuple(rows), given, contradicted)


def gold_tokens(model: Backbone, template: Template, question: Question) -> tuple[int, ...]:
    """What the given answer adds to the question's tokens."""
    bare = template.bare(question.text)
    space = "" if bare[-1:].isspace() else " "
    alone, whole = model.encode([bare, bare + space + as_data(question.gold)])
    return tuple(whole[common(alone, whole) :])


def _gold_row(model: Backbone, template: Template, each: TeacherAnswer, end: tuple[int, ...]) -> Row:
    tokens = (gold_tokens(model, template, each.question) + end)[: template.answer_tokens]
    cells = torch.tensor([[math.log(1 - SMOOTHING), math.log(SMOOTHING)]]).repeat(len(tokens), 1)
    target = TeacherLogprobs(torch.tensor(tokens, dtype=torch.int)[:, None], cells, torch.full((len(tokens),), WEIGHT))
    return row_of(Completion(each.alone.prompt_ids, tokens).tree, target)


def _end_token(model: Backbone, template: Template, answered: Sequence[TeacherAnswer]) -> tuple[int, ...]:
    """The token that ends most of the teacher's answers: of several that a model declares, the one it uses."""
    stop = end_ids(model, template.end)
    last = Counter(each.alone.completion_ids[-1] for each in answered if each.alone.completion_ids[-1] in stop)
    if last:
        return (last.most_common(1)[0][0],)
    return (min(stop),) if stop and template.answer_tokens > 1 else ()
