"""What a method of answering about a context is given, and the texts that it can put in front of a question."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inweights.context.chunks import Chunk
from inweights.context.learn import LearningResult
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.surroundings import whole_text
from inweights.context.systems import ContextOf, no_context
from inweights.context.template import Template
from inweights.models.base import Backbone
from inweights.scoring.bm25 import BM25Index


@dataclass(frozen=True)
class MethodInputs:
    """What a method may use."""

    model: Backbone
    template: Template
    chunks: Sequence[Chunk]
    settings: Settings
    room: int
    """Tokens that a context can have beside a question and its answer."""
    results: Mapping[str, LearningResult]
    """What was learned, by form."""

    @property
    def first(self) -> LearningResult:
        return next(iter(self.results.values()))


def inputs_for(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    questions: Sequence[Question],
    results: Mapping[str, LearningResult] | None = None,
) -> MethodInputs:
    """With room for the longest of the questions."""
    longest = max(model.count_tokens([template.asked(each.text) for each in questions])) if questions else 0
    room = model.card.max_tokens - template.answer_tokens - longest
    return MethodInputs(model, template, chunks, settings, room, results or {})


def nothing(inputs: MethodInputs) -> ContextOf:
    return no_context


def right_piece(inputs: MethodInputs) -> ContextOf:
    """The teacher's: the piece that a question is about."""
    return lambda question: inputs.chunks[question.chunk or 0].text


def whole(inputs: MethodInputs) -> ContextOf | None:
    """All of the context; None where it does not fit in the window."""
    text = whole_text(inputs.chunks)
    fits = inputs.model.count_tokens([inputs.template.context(text)])[0] <= inputs.room
    return (lambda question: text) if fits else None


def retrieved(inputs: MethodInputs) -> ContextOf:
    """The piece that shares most words with the question, by BM25."""
    index = BM25Index([chunk.text for chunk in inputs.chunks])

    def found(question: Question) -> str:
        best = index.best(question.text, 1)
        return inputs.chunks[best[0][0] if best else 0].text

    return found
