"""What a student learns from: questions with the teacher's answers, as token ids of both sides."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from inweights.context.template import Template
from inweights.engine.trees import Prefix, Prefixes, prefix_of_each
from inweights.models.base import Backbone
from inweights.models.decoding import continued, end_ids
from inweights.models.next_token import Choose, greedy
from inweights.models.shared_prefix import encode_with_context
from inweights.scoring.completions import Completion
from inweights.types import UserError

AT_ONCE = 64
"""Texts that are continued together."""


@dataclass(frozen=True)
class Question:
    text: str
    chunk: int | None = None
    """Which piece of the context it is about; None: not known yet."""
    gold: str = ""
    """The right answer, where somebody has said it."""
    kind: str = ""
    """Such as `worded`, `paraphrased`, `absent`."""
    place: float | None = None
    """Where in the document its answer stands, from 0 to 1."""


@dataclass(frozen=True)
class TeacherAnswer:
    """One question with the teacher's answer, which is the same tokens on both sides."""

    question: Question
    with_context: Completion
    """As the teacher reads it, after its context."""
    alone: Completion
    """As the student does."""


@dataclass(frozen=True)
class QuestionTokens:
    """Questions after one context, in tokens. `prefix` is None where nothing comes before."""

    prefix: Prefix | None
    with_context: tuple[tuple[int, ...], ...]
    alone: tuple[tuple[int, ...], ...]


def question_tokens(model: Backbone, template: Template, context: str | None, questions: Sequence[str]) -> QuestionTokens:
    """Questions after a context, or without one. Raises UserError where a question does not fit beside its context."""
    alone = tuple(tuple(ids) for ids in model.encode([template.bare(each) for each in questions]))
    if context is None:
        return QuestionTokens(None, alone, alone)
    encoded = encode_with_context(
        model.encode, template.context(context), [template.asked(each) for each in questions], spare=1
    )
    longest = max(map(len, encoded.rests)) + len(encoded.shared)
    if longest + template.answer_tokens > model.card.max_tokens:
        raise UserError(
            f"a question after its context has {longest:,} tokens and its answer up to {template.answer_tokens}, and "
            f"{model.card.name} reads at most {model.card.max_tokens:,}: lower --chunk-tokens"
        )
    with torch.no_grad():
        prefix = model.prefix(encoded.shared) if encoded.shared else None
    return QuestionTokens(prefix, encoded.rests, alone)


def answers(
    model: Backbone,
    template: Template,
    prefixes: Prefixes,
    stems: Sequence[Sequence[int]],
    choose: Choose = greedy,
) -> list[tuple[int, ...]]:
    """The model's answer to each, with the token that ended it, if one did."""
    stop = end_ids(model, template.end)
    before = prefix_of_each(prefixes, len(stems))
    # Texts after the same prefix stand side by side, and those of like length together.
    order = sorted(range(len(stems)), key=lambda i: (id(before[i]), len(stems[i])))
    found: dict[int, tuple[int, ...]] = {}
    for start in range(0, len(order), AT_ONCE):
        batch = order[start : start + AT_ONCE]
        said = continued(model, [stems[i] for i in batch], [before[i] for i in batch], template.answer_tokens, stop, choose)
        found.update(zip(batch, map(tuple, said), strict=True))
    return [found[i] for i in range(len(stems))]


def text_of(model: Backbone, template: Template, answer: Sequence[int]) -> str:
    """An answer as text, without what ended it."""
    text = model.decode(answer)
    return (text.split(template.end)[0] if template.end else text).strip()
