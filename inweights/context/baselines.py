"""All that could answer questions about a context, asked the same way: behind nothing, the text, parts of it, an adapter."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import torch

from inweights.context.chunks import Chunk
from inweights.context.metrics import Said, said
from inweights.context.qa_tokens import Question, asked
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.engine.learned_prefix import virtual_token_count
from inweights.models.base import LanguageModel
from inweights.models.decoding import continued
from inweights.scoring.bm25 import BM25Index

TIMED = 8
"""Questions asked one at a time; medians are reported."""
TIMED_TOKENS = 16
"""Of every answer that is timed, whatever it says: else the one who answers at length would be the slow one."""


def nothing(question: Question) -> str | None:
    """In front of any question."""
    return None


@dataclass(frozen=True)
class System:
    name: str
    model: LanguageModel
    context: Callable[[Question], str | None] = nothing
    """What stands in front of a question."""
    front: int = 0
    """Tokens that begin every text and that the model behind its prefix has read already."""
    adapt_seconds: float = 0.0
    artifact_bytes: int = 0
    warm: bool = False
    """The context's keys and values are kept between queries; else it is read at every one."""


@dataclass(frozen=True)
class Timed:
    """Medians over queries one at a time, with answers of equal length."""

    seconds: float
    """Of a whole answer."""
    first_token: float
    context_tokens: int
    """Whose keys and values it stands behind, those of a learnt prefix too."""


def respond(system: System, template: Template, questions: Sequence[Question]) -> Said:
    """Questions behind the same text share it."""
    groups: dict[str | None, list[int]] = {}
    for number, question in enumerate(questions):
        groups.setdefault(system.context(question), []).append(number)
    texts: dict[int, str] = {}
    nll: dict[int, float] = {}
    for context, numbers in groups.items():
        own = [questions[number] for number in numbers]
        read = asked(system.model, template, context, [each.text for each in own], system.front)
        part = said(system.model, template, read.prefix, read.behind, own)
        texts.update(zip(numbers, part.texts, strict=True))
        nll.update(zip(numbers, part.gold_nll, strict=True))
    order = range(len(questions))
    return Said(tuple(texts[i] for i in order), tuple(nll[i] for i in order))


@torch.no_grad()
def timed(system: System, template: Template, questions: Sequence[Question]) -> Timed:
    """As a user waits for it. A cold context is read for every query, a warm one before the clock starts."""
    whole, first, tokens = [], [], []
    held = sum(map(virtual_token_count, getattr(system.model, "patches", ())))
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
    return Timed(median(whole), median(first), round(median(tokens)))


def text_systems(
    model: LanguageModel, template: Template, chunks: Sequence[Chunk], questions: Sequence[Question]
) -> list[System]:
    """The model alone, with the right piece, with the whole text where it fits beside a question, with what BM25 finds."""
    whole = whole_text(chunks)
    longest = max((len(model.encode([template.asked(each.text)])[0]) for each in questions), default=0)
    room = model.card.max_tokens - template.answer_tokens - longest
    passages = BM25Index([chunk.text for chunk in chunks])

    def found(question: Question) -> str:
        best = passages.best(question.text, 1)
        return chunks[best[0][0] if best else 0].text

    def right(question: Question) -> str:
        return chunks[question.chunk or 0].text

    systems = [System("alone", model), System("icl-piece", model, right)]
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


def of_learnt(name: str, learned: LearnedContext, adapt_seconds: float, rag: System | None = None) -> System:
    """A learnt context, and with `rag` its passages in front as well."""
    tensors = learned.adapted.parameters.values()
    size = sum(each.numel() * each.element_size() for each in tensors)
    return System(name, learned.model, rag.context if rag else nothing, learned.front, adapt_seconds, size)
