"""A context cut into pieces that fit in front of a question, with its title in front and its headings inline."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from inweights.models.base import Backbone
from inweights.sources.types import Context, Section
from inweights.types import UserError

LEAST_TOKENS = 16
"""A smaller piece says nothing that could be asked about."""
Count = Callable[[Sequence[str]], list[int]]


@dataclass(frozen=True)
class Chunk:
    """Neighbouring sections of one source, as the teacher reads them."""

    text: str
    """With the title and section path in front."""
    body: str
    """The sources' own text alone."""
    source: str
    where: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        return ", ".join(each for each in (self.source, self.where) if each)


def chunks_of(model: Backbone, context: Context, tokens: int) -> list[Chunk]:
    """At most `tokens` tokens each, titles and headings included; neighbouring sections that fit together share a piece.

    Raises UserError where there is no text, and where not even a few words of it fit beside a title.
    """
    if tokens < LEAST_TOKENS:
        raise UserError(
            f"{tokens} tokens are no room for a chunk (at least {LEAST_TOKENS}): "
            "take a model with a longer context window, or shorter questions"
        )

    count = model.count_tokens
    written = [section for section in context.sections if section.text.strip()]
    if not written:
        raise UserError("the context has no text: there is nothing to learn from it")
    chunks: list[Chunk] = []
    for group in _neighbours(written):
        room = tokens - max(count([_header(section) for section in group])) - 2
        if room < LEAST_TOKENS // 2:
            raise UserError(
                f"the title and headings of {group[0].source} leave {max(0, room)} of {tokens} tokens to its text: "
                "raise --chunk-tokens, or shorten them"
            )
        chunks += [chunk for held in _packed(_units(group, room, count), room) for chunk in _within(held, tokens, count)]
    return chunks


def chunk_of_whole(context: Context) -> Chunk:
    """All of a prompt as it is, with nothing in front."""
    text = "\n\n".join(section.text.strip() for section in context.sections)
    first = context.sections[0]
    return Chunk(text, text, first.source, first.where)


def _within(held: Sequence[tuple[str, Section]], tokens: int, count: Count) -> list[Chunk]:
    """One chunk; several where a tokenizer makes more tokens of a whole than of its parts, none of white space alone."""
    chunk = _chunk(held)
    if len(held) == 1 or count([chunk.text])[0] <= tokens:
        return [chunk] if chunk.body else []
    half = len(held) // 2
    return [*_within(held[:half], tokens, count), *_within(held[half:], tokens, count)]


def _packed(units: Iterable[tuple[str, int, Section]], room: int) -> list[list[tuple[str, Section]]]:
    """Units in pieces of at most `room` tokens.

    Half full, a piece ends in front of a unit whose own text says so: after an edit, pieces fall into step again.
    """
    pieces: list[list[tuple[str, Section]]] = []
    sizes: list[int] = []
    for unit, size, section in units:
        full = not pieces or sizes[-1] + size > room
        if full or (2 * sizes[-1] > room and _begins(unit, pieces[-1][-1][0])):
            pieces.append([])
            sizes.append(0)
        pieces[-1].append((unit, section))
        sizes[-1] += size
    if len(pieces) > 1 and sizes[-2] + sizes[-1] <= room:
        last = pieces.pop()
        pieces[-1] += last
    return pieces


def _neighbours(sections: Sequence[Section]) -> Iterator[list[Section]]:
    """Runs of sections of one source under one title; their headings may differ."""
    run: list[Section] = []
    for section in sections:
        if run and (section.source, section.title) != (run[-1].source, run[-1].title):
            yield run
            run = []
        run.append(section)
    if run:
        yield run


def _heading(section: Section, before: Section) -> str:
    """The line between two sections of one piece: the headings below the title, where they are new."""
    line = " > ".join(dict.fromkeys(part for part in section.path if part and part != section.title))
    return f"\n{line}\n" if line and section.path != before.path else ""


def _header(section: Section) -> str:
    parts = [section.title, *section.path]
    line = " > ".join(dict.fromkeys(part for part in parts if part))
    return f"{line}\n" if line else ""


def _units(group: Sequence[Section], room: int, count: Count) -> Iterator[tuple[str, int, Section]]:
    """Texts that are not cut further, with the white space after them, and their tokens: sections, or sentences of
    one that is too long; more of them than need be, so that a piece can end at any."""
    before = group[0]
    for section in group:
        text = section.text.strip() + "\n"
        heading, before = _heading(section, before), section
        extra = count([heading])[0] if heading else 0
        units = [text] if count([text])[0] <= room // 2 else _cut(text, room // 2, count)
        for unit, size in zip(units, count(units), strict=True):
            yield unit, size + extra, section
            extra = 0


def _cut(text: str, most: int, count: Count) -> list[str]:
    """At paragraphs, lines, sentences, words, and at last between characters; together they are the text."""
    for end in (r"(?<=\n)(?=\s*\n)", r"(?<=\n)", r"(?<=[.!?;])(?= )", r"(?<=\s)(?=\S)"):
        parts = [part for part in re.split(end, text) if part]
        if len(parts) > 1:
            sizes = count(parts)
            whole = [[part] if size <= most else _cut(part, most, count) for part, size in zip(parts, sizes, strict=True)]
            return [unit for units in whole for unit in units]
    half = max(1, len(text) // 2)
    return [text] if len(text) == 1 else [*_cut(text[:half], most, count), *_cut(text[half:], most, count)]


def _begins(unit: str, before: str) -> bool:
    """Of one sentence in four, by its own text alone."""
    ended = before.endswith("\n") or before.rstrip()[-1:] in tuple(".!?;")
    return ended and hashlib.sha256(unit.strip().encode()).digest()[0] % 4 == 0


def _chunk(held: Sequence[tuple[str, Section]]) -> Chunk:
    sections = list(dict.fromkeys(section for _, section in held))
    body = "".join(unit for unit, _ in held).strip()
    inline, before = "", sections[0]
    for unit, section in held:
        inline += _heading(section, before) + unit
        before = section
    text = _header(sections[0]) + inline.strip()
    where = " to ".join(dict.fromkeys(each.where for each in (sections[0], sections[-1]) if each.where))
    return Chunk(text, body, sections[0].source, where)
