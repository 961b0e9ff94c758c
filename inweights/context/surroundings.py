"""What a teacher reads beyond the one piece that a question is about: its neighbours, or all of the context."""

from collections.abc import Sequence

from inweights.context.chunks import Chunk
from inweights.context.template import Template
from inweights.models.base import Backbone

QUESTION_TOKENS = 64
"""Room that a context leaves for a question."""


def whole_text(chunks: Sequence[Chunk]) -> str:
    """All pieces, a title and headings where they change; of pieces that say the same in another order, one."""
    parts, header = [], ""
    for chunk in {chunk.body: chunk for chunk in chunks}.values():
        own = chunk.text.removesuffix(chunk.body)
        parts.append(chunk.body if own == header else chunk.text)
        header = own
    return "\n".join(parts)


def surroundings(model: Backbone, template: Template, chunks: Sequence[Chunk], number: int) -> str:
    """The whole context where it fits in the window beside a question and its answer; else the piece with the one before
    and the one after it, or with one of them, or alone."""
    pieces = range(len(chunks))
    for part in (pieces, pieces[max(0, number - 1) : number + 2], pieces[number : number + 2], pieces[number : number + 1]):
        text = whole_text([chunks[place] for place in part])
        if _fits(model, template, text):
            return text
    return chunks[number].text


def _fits(model: Backbone, template: Template, text: str) -> bool:
    tokens = model.count_tokens([template.context(text)])[0]
    return tokens + QUESTION_TOKENS + template.answer_tokens <= model.card.max_tokens
