"""The systems that can answer questions about a context, all queried in the same way.

The model alone, with the whole text, with parts of it, with an adapter.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
import torch

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question, asked
from inweights.context.responses import Responses, responses
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.engine.learned_prefix import virtual_token_count
from inweights.learn_records import Spread
from inweights.models.base import Backbone
from inweights.models.decoding import continued
from inweights.scoring.bm25 import BM25Index

TIMED = 8
"""Queries that are timed, one at a time."""
TIMED_TOKENS = 16
"""Of every answer that is timed, whatever its text: else the system with the longest answers would be the slowest."""


def no_context(question: Question) -> str | None:
    """The context of any question to a system without one."""
    return None


@dataclass(frozen=True)
class System:
    name: str
    model: Backbone
    context: Callable[[Question], str | None] = no_context
    """The text in the prompt, before the question."""
    front: int = 0
    """Tokens that begin every text and that a learned prefix already holds."""
    adapt_seconds: float = 0.0
    artifact_bytes: int = 0
    warm: bool = False
    """The context's keys and values are kept between queries; else it is encoded at every one."""
    method: str = ""
    """As a method of a study, such as `icl` or `distill+lora`; empty: the name."""
    trained_parameters: int = 0

    def with_context(self, chunks: Sequence[Chunk]) -> "System":
        """The same with the right piece of the context in its prompt again."""
        return replace(self, context=lambda question: chunks[question.chunk or 0].text)


@dataclass(frozen=True)
class Timed:
    """Over queries one at a time, with answers of equal length."""

    seconds: Spread
    """Of a whole answer."""
    first_token: Spread
    context_tokens: int
    """Whose keys and values a request holds, a learned prefix's included."""


def respond(system: System, template: Template, questions: Sequence[Question]) -> Responses:
    """Questions with the same context share its keys and values."""
    groups: dict[str | None, list[int]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(system.context(question), []).append(number)
    texts: dict[int, str] = {}
    log_probs: dict[int, float] = {}
    for context, numbers in groups.items():
        own = [questions[number] for number in numbers]
        read = asked(system.model, template, context, [each.text for each in own], system.front)
        part = responses(system.model, template, read.prefix, read.behind, own)
        texts.update(zip(numbers, part.texts, strict=True))
        log_probs.update(zip(numbers, part.gold_log_probs, strict=True))
    order = range(len(questions))
    return Responses(tuple(texts[i] for i in order), tuple(log_probs[i] for i in order))


@torch.no_grad()
def timed(system: System, template: Template, questions: Sequence[Question]) -> Timed:
    """As a user waits for it. A cold context is encoded for every query, a warm one before the clock starts."""
    whole, first, tokens = [], [], []
    held = sum(map(virtual_token_count, system.model.patches))
    for question in questions[:TIMED]:
        context = system.context(question)
        if system.warm:
            read = asked(system.model, template, context, [question.text], system.front)
        started = time.perf_counter()
        if not system.warm:
            read = asked(system.model, template, context, [question.text], system.front)
        came: list[float] = []

        def choose(logits: torch.Tensor, came: list[float] = came) -> list[int]:
            came.append(time.perf_counter())
            return logits.argmax(-1).tolist()

        continued(system.model, read.behind, read.prefix, min(TIMED_TOKENS, template.answer_tokens), (), choose)
        whole.append(time.perf_counter() - started)
        first.append(came[0] - started)
        tokens.append(len(read.prefix.ids) if read.prefix else held)
    return Timed(_spread(whole), _spread(first), round(median(tokens)))


def _spread(seconds: Sequence[float]) -> Spread:
    return Spread(median(seconds), float(np.quantile(seconds, 0.95)))


def text_systems(
    model: Backbone, template: Template, chunks: Sequence[Chunk], questions: Sequence[Question]
) -> list[System]:
    """The model alone, with the right piece, with the whole text where it fits beside a question, with BM25's passage."""
    whole = whole_text(chunks)
    longest = max((len(model.encode([template.asked(each.text)])[0]) for each in questions), default=0)
    room = model.card.max_tokens - template.answer_tokens - longest
    passages = BM25Index([chunk.text for chunk in chunks])

    def found(question: Question) -> str:
        best = passages.best(question.text, 1)
        return chunks[best[0][0] if best else 0].text

    def right(question: Question) -> str:
        return chunks[question.chunk or 0].text

    systems = [System("alone", model, method="zero-shot"), System("icl-piece", model, right)]
    if len(model.encode([template.context(whole)])[0]) <= room:
        systems += [
            System("icl", model, lambda question: whole),
            System("icl-cached", model, lambda question: whole, warm=True),
        ]
    return [*systems, System("rag", model, found)]


def whole_text(chunks: Sequence[Chunk]) -> str:
    """All pieces, a title and headings where they change; of pieces that say the same in another order, one."""
    parts, header = [], ""
    for chunk in {chunk.body: chunk for chunk in chunks}.values():
        own = chunk.text.removesuffix(chunk.body)
        parts.append(chunk.body if own == header else chunk.text)
        header = own
    return "\n".join(parts)


def of_learned(
    name: str, learned: LearnedContext, adapt_seconds: float, rag: System | None = None, method: str = ""
) -> System:
    """A learned context, and with `rag` its passages in the prompt as well."""
    tensors = learned.adapted.parameters.values()
    return System(
        name,
        learned.model,
        rag.context if rag else no_context,
        learned.front,
        adapt_seconds,
        artifact_bytes=sum(each.numel() * each.element_size() for each in tensors),
        method=method,
        trained_parameters=sum(each.numel() for each in tensors),
    )


def kv_bytes_per_token(model: Backbone) -> int:
    """Of keys and values in all layers, in the model's dtype."""
    like = model.prefix(model.encode(["a"])[0])
    tables = [*like.keys, *like.values]
    return sum(each.shape[0] * each.shape[2] * each.element_size() for each in tables)
