"""Markdown: headings become the path of sections."""

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from inweights.sources.plain import text_of
from inweights.sources.text import lines, text_sections
from inweights.sources.types import Context, Section

_FRONT_MATTER = re.compile(r"(---|\+\+\+)\n(.*?\n)?\1[ \t]*(\n|$)", re.DOTALL)
_FRONT_TITLE = re.compile(r"^title[ \t]*[:=][ \t]*(.+)$", re.MULTILINE)


class Heading(NamedTuple):
    """A heading and its lines, counted from 0."""

    level: int
    text: str
    first: int
    end: int


def read(path: Path, source: str) -> Context:
    """Raises RefusedError."""
    return Context(tuple(markdown_sections(text_of(path, source), source)))


def markdown_sections(text: str, source: str) -> list[Section]:
    """A section for the text under each heading, with the heading in its path.

    The title is that of the front matter, or the only heading of level 1, which is then not part of any path.
    """
    front = _FRONT_MATTER.match(text)
    given = _FRONT_TITLE.search(front[0]) if front else None
    # Blank lines replace it, so that lines keep their numbers.
    body = "\n" * front[0].count("\n") + text[front.end() :] if front else text
    headings = list(_headings(body))
    top = [each for each in headings if each.level == 1]
    title = given[1].strip().strip("\"'") if given else ""
    if len(top) == 1 and headings[0] == top[0] and title in ("", top[0].text):
        title = top[0].text
        headings[0] = headings[0]._replace(level=0)
    found = list(under_headings(body.split("\n"), headings, title or Path(source).stem, source))
    # A document of headings only: its text is better than nothing.
    return found or [replace(each, title=title or each.title) for each in text_sections(body, source)]


def under_headings(text: list[str], headings: list[Heading], title: str, source: str) -> Iterator[Section]:
    """The text between one heading and the next, if there is any; a heading of level 0 is not part of a path."""
    path: list[Heading] = []
    first = 0
    for heading in [*headings, Heading(0, "", len(text), len(text))]:
        end = heading.first
        while end > first and not text[end - 1].strip():
            end -= 1
        while first < end and not text[first].strip():
            first += 1
        if first < end:
            names = tuple(each.text for each in path if each.text)
            yield Section("\n".join(text[first:end]), title, names, source, lines(first + 1, end))
        path = [each for each in path if each.level < heading.level]
        if heading.level:
            path.append(heading)
        first = heading.end


def _headings(text: str) -> Iterator[Heading]:
    """The headings of the document itself: not those in a quotation or a list, or what looks like one in a block of code."""
    from markdown_it import MarkdownIt

    inline = MarkdownIt("commonmark")
    # Without the rules for inline text a long document is read several times faster; only headings need them.
    tokens = MarkdownIt("commonmark").disable("inline").parse(text)
    for token, content in pairwise(tokens):
        if token.type == "heading_open" and token.level == 0 and token.map:
            children = inline.parseInline(content.content)[0].children or []
            said = "".join(each.content or " " for each in children if each.type != "html_inline")
            yield Heading(int(token.tag[1:]), " ".join(said.split()), *token.map)
