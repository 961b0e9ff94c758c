"""The teacher's part: every question is answered after the piece of context it is about, which is encoded once."""

import hashlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

import torch

from inweights.context.chunks import Chunk
from inweights.context.memory import reading_tokens
from inweights.context.qa_tokens import Question, QuestionTokens, TeacherAnswer, answers, question_tokens
from inweights.context.questions import draw
from inweights.context.surroundings import surroundings
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.context.work_cache import Store, TeacherAnswers
from inweights.models.base import Backbone
from inweights.scoring.bm25 import BM25Index
from inweights.scoring.completions import Completion, read_completions, teacher_logprobs
from inweights.scoring.divergence import kl
from inweights.scoring.teacher_logprobs import TOP_K, TeacherLogprobs, TopK, concatenated

ALIKE, FAR = 0.7, 3.0
"""Of the best BM25 score: pieces above are distinguished by how they change the answer, and by that factor at least."""
CANDIDATES = 16
"""Pieces that a question whose piece is not known is tried on, those BM25 likes best."""
SHARD = 256
"""Questions whose answers are kept together."""


def teacher_answers(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    questions: Sequence[Question],
    store: Store,
    kept: TopK = TOP_K,
    until: float = math.inf,
    teacher: tuple[Backbone, Template] | None = None,
    wide: float = 0.0,
) -> TeacherAnswers:
    """Answers to all questions, piece by piece; each must know its piece. `until`: on time.monotonic(); after it no
    more are answered than have been. `teacher`: answers in place of the model, in the same tokens. `wide`: the share of
    the questions that are answered with the pieces around theirs as well."""
    examples: list[TeacherAnswer] = []
    logprobs: list[TeacherLogprobs] = []
    bare: list[float] = []
    for context, part in _shards(*(teacher or (model, template)), chunks, questions, wide):
        if examples and time.monotonic() > until:
            continue
        texts, read = [each.text for each in part], hashlib.sha256(context.encode()).hexdigest()[:16]
        key: tuple[object, ...] = (model.card.digest, model.card.dtype, template.digest, read, texts, kept)
        if teacher:
            key += (teacher[0].card.digest, teacher[0].card.dtype, teacher[1].digest)

        def make(context: str = context, part: list[Question] = part) -> TeacherAnswers:
            return teacher_answers_of(model, template, context, part, kept, teacher)

        made = store.teacher_answers(key, part, make)
        examples += made.examples
        logprobs += made.logprobs
        bare += made.bare
    return TeacherAnswers(tuple(examples), tuple(logprobs), tuple(bare))


def _shards(
    model: Backbone, template: Template, chunks: Sequence[Chunk], questions: Sequence[Question], wide: float
) -> Iterator[tuple[str, list[Question]]]:
    """Contexts with the questions that are answered with each, `SHARD` at a time."""
    for number, chunk in enumerate(chunks):
        own = list(dict.fromkeys(each for each in questions if each.chunk == number))
        around = [each for each in own if len(chunks) > 1 and draw(f"wide {each.text}") < wide]
        narrow = [each for each in own if each not in around]
        for some, context in (
            (narrow, chunk.text),
            (around, surroundings(model, template, chunks, number) if around else ""),
        ):
            for start in range(0, len(some), SHARD):
                yield context, some[start : start + SHARD]


@torch.no_grad()
def teacher_answers_of(
    model: Backbone,
    template: Template,
    context: str,
    questions: Sequence[Question],
    kept: TopK = TOP_K,
    teacher: tuple[Backbone, Template] | None = None,
) -> TeacherAnswers:
    """The teacher's greedy answers with the context, its distributions there, and the bare model's distance from them."""
    answering, reading = teacher or (model, template)
    texts = [each.text for each in questions]
    read = question_tokens(answering, reading, context, texts)
    alone = read.alone if teacher is None else question_tokens(model, template, None, texts).alone
    outputs = answers(answering, reading, read.prefix, read.with_context)
    examples = [
        TeacherAnswer(question, Completion(with_context, answer), Completion(bare, answer))
        for question, with_context, bare, answer in zip(questions, read.with_context, alone, outputs, strict=True)
        if answer and not reading.quotes(model.decode(answer))
    ]
    pairs = [each.with_context for each in examples]
    logprobs = teacher_logprobs(answering, read.prefix, pairs, kept, batch_tokens=reading_tokens(answering))
    return TeacherAnswers(
        tuple(examples), tuple(logprobs), tuple(distances(model, [each.alone for each in examples], logprobs))
    )


@torch.no_grad()
def teacher_kl(learned: LearnedContext, answered: TeacherAnswers) -> list[float]:
    """How far what was learnt is from each of the teacher's answers, in nats."""
    return distances(learned.model, [learned.reads(each.alone) for each in answered.examples], answered.logprobs)


def distances(model: Backbone, completions: Sequence[Completion], logprobs: Sequence[TeacherLogprobs]) -> list[float]:
    """KL(teacher || model) of each answer in nats, added up over its tokens; `completions` as the model reads it."""
    if not completions:
        return []

    def of(numbers: Sequence[int], rows: Sequence[torch.Tensor]) -> list[float]:
        targets = concatenated([logprobs[number] for number in numbers], rows[0].device)
        each = targets.kl_to(torch.cat(list(rows)).log_softmax(-1))
        return torch.stack([part.sum() for part in each.split([len(row) for row in rows])]).tolist()

    return read_completions(model, None, completions, of, reading_tokens(model))


@torch.no_grad()
def assign_chunks(
    model: Backbone, template: Template, chunks: Sequence[Chunk], questions: Sequence[Question]
) -> list[Question]:
    """Every question with the piece it is about: the one that shares its words, see `_most_changed`.

    Where all say the same in another order, a question is about each of them.
    """
    if len({chunk.body for chunk in chunks}) == 1:
        return [replace(each, chunk=number) for each in questions for number in range(len(chunks))]
    found = list(questions)
    unknown = [number for number, each in enumerate(questions) if each.chunk is None]
    if not unknown:
        return found
    passages = BM25Index([chunk.text for chunk in chunks])
    for start in range(0, len(unknown), SHARD):
        part = unknown[start : start + SHARD]
        about = _most_changed(model, template, chunks, [questions[number].text for number in part], passages)
        for number, chunk in zip(part, about, strict=True):
            found[number] = replace(found[number], chunk=chunk)
    return found


def _most_changed(
    model: Backbone, template: Template, chunks: Sequence[Chunk], texts: Sequence[str], passages: BM25Index
) -> list[int]:
    """For each question the piece that shares most words with it; of several that share about as many, one that changes
    the answer's beginning far more. By change alone, a piece that changes every answer would draw all questions."""
    near = [_near(passages.best(text, CANDIDATES), len(chunks)) for text in texts]
    tried: dict[int, list[int]] = {}
    for place, pieces in enumerate(near):
        if len(pieces) > 1:
            for chunk in pieces:
                tried.setdefault(chunk, []).append(place)
    change: dict[tuple[int, int], float] = {}
    bare = _first_words(model, question_tokens(model, template, None, texts)) if tried else torch.empty(0)
    for chunk, places in tried.items():
        read = question_tokens(model, template, chunks[chunk].text, [texts[place] for place in places])
        moved = kl(_first_words(model, read), bare[places]).tolist()
        change.update({(place, chunk): each for place, each in zip(places, moved, strict=True)})
    found = []
    for place, pieces in enumerate(near):
        most = max(pieces, key=lambda chunk: change.get((place, chunk), 0.0))
        far = change.get((place, most), 0.0) > FAR * change.get((place, pieces[0]), 0.0)
        found.append(most if far else pieces[0])
    return found


def _near(scored: Sequence[tuple[int, float]], chunks: int) -> list[int]:
    """Pieces that BM25 likes about as well as the best; the first ones where no word is shared."""
    if not scored:
        return list(range(min(CANDIDATES, chunks)))
    return [chunk for chunk, score in scored if score >= ALIKE * scored[0][1]]


def _first_words(model: Backbone, read: QuestionTokens) -> torch.Tensor:
    """Log-probabilities of the first token of every answer."""
    # Whatever the answer is, only what begins it is read.
    completions = [Completion(stem, (0,)) for stem in read.with_context]
    rows = read_completions(model, read.prefix, completions, lambda _, rows: [row[0].log_softmax(-1) for row in rows], 8192)
    return torch.stack(rows)
