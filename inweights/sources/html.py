"""HTML: headings become the section path, tables rows of text; scripts, styles and navigation are left out."""

import re
import time
from dataclasses import replace
from pathlib import Path

from inweights.sources.html_page import Page
from inweights.sources.markdown import under_headings
from inweights.sources.plain import bytes_of, decoded
from inweights.sources.refused import RefusedError
from inweights.sources.text import lines
from inweights.sources.types import Context, Section

MOST_SECONDS = 60
_PIECE = 1 << 16
"""Characters for the parser at a time: it reads a tag without an end again from its start each time."""
_CHARSET = re.compile(rb"<meta[^>]{0,200}charset\s*=\s*[\"']?\s*([\w-]+)", re.IGNORECASE)


def read(path: Path, source: str) -> Context:
    """Raises RefusedError."""
    content = bytes_of(path, source)
    declared = _CHARSET.search(content[:4096])
    return Context(tuple(html_sections(decoded(content, source, declared[1].decode() if declared else ""), source)))


def html_sections(text: str, source: str) -> list[Section]:
    """A section for the text under each heading; `where` counts the lines of the file. Raises RefusedError."""
    page = _parsed(text, source)
    headings = list(page.headings)
    top = [each.text for each in headings if each.level == 1]
    if len(top) == 1 and headings[0].level == 1:
        # It is the title or a variant of it: as the first part of every path it would distinguish nothing.
        headings[0] = headings[0]._replace(level=0)
    title = " ".join(page.title.split()) or "".join(top[:1]) or Path(source).stem
    found = under_headings([line for line, _ in page.lines], headings, title, source)
    return [_placed(section, page) for section in found]


def _parsed(text: str, source: str) -> Page:
    page, until = Page(), time.monotonic() + MOST_SECONDS
    for start in range(0, len(text), _PIECE):
        page.feed(text[start : start + _PIECE])
        if time.monotonic() > until:
            raise RefusedError(source, f"was not read in {MOST_SECONDS} seconds: save it as text")
    if len(page.rawdata) > _PIECE:
        raise RefusedError(source, f"has a tag in line {page.getpos()[0]} without an end: correct it, or save it as text")
    page.close()
    page.end_line()
    return page


def _placed(section: Section, page: Page) -> Section:
    """The section, with lines of the file instead of lines of the text that was made of it."""
    numbers = [int(each) for each in re.findall(r"\d+", section.where)]
    return replace(section, where=lines(page.lines[numbers[0] - 1][1], page.lines[numbers[-1] - 1][1]))
