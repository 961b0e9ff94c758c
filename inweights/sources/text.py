"""Plain text: paragraphs, joined up to a size, under the chapter that they are in."""

import re
from collections.abc import Iterator
from pathlib import Path

from inweights.sources.plain import text_of
from inweights.sources.types import Context, Section

CHARACTERS = 2_000
"""Maximum characters of joined paragraphs: few enough for `lines 10-24` to be a useful place."""
_CHAPTER = re.compile(r"(chapter|part|book|volume|section|act|scene|appendix)\s+(\d+|[ivxlcdm]+|[a-z])\b", re.IGNORECASE)
_LONGEST_TITLE = 80


def read(path: Path, source: str) -> Context:
    """Raises RefusedError."""
    return Context(tuple(text_sections(text_of(path, source), source)))


def text_sections(text: str, source: str) -> list[Section]:
    """The text in pieces of up to `CHARACTERS`; a paragraph is never cut, and no piece crosses a chapter's heading."""
    paragraphs = list(_paragraphs(text))
    title = _title(paragraphs[0][1]) if len(paragraphs) > 1 else ""
    found: list[Section] = []
    held: list[tuple[int, str]] = []
    path: tuple[str, ...] = ()
    for line, paragraph in paragraphs:
        heading = _chapter(paragraph)
        if held and (heading or sum(len(each) for _, each in held) + len(paragraph) > CHARACTERS):
            found.append(_section(held, title or Path(source).stem, path, source))
            held = []
        path = (heading,) if heading else path
        held.append((line, paragraph))
    if held:
        found.append(_section(held, title or Path(source).stem, path, source))
    return found


def lines(first: int, last: int) -> str:
    return f"line {first}" if first == last else f"lines {first}-{last}"


def _paragraphs(text: str) -> Iterator[tuple[int, str]]:
    """The paragraphs between blank lines, each with the number of its first line."""
    held: list[str] = []
    # Not splitlines, which also ends lines at form feeds and other characters that editors do not count.
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if line.strip():
            held.append(line.rstrip())
        elif held:
            yield number - len(held), "\n".join(held)
            held = []


def _section(held: list[tuple[int, str]], title: str, path: tuple[str, ...], source: str) -> Section:
    last, paragraph = held[-1]
    where = lines(held[0][0], last + paragraph.count("\n"))
    return Section("\n\n".join(each for _, each in held), title, path, source, where)


def _title(paragraph: str) -> str:
    """The title: the first paragraph if it is one short line that does not end like a sentence."""
    line = paragraph.strip()
    is_one = "\n" not in line and len(line) <= _LONGEST_TITLE and line[-1] not in ".,;:" and not _chapter(line)
    return line if is_one else ""


def _chapter(paragraph: str) -> str:
    """The paragraph if it is the heading of a chapter, in one line or two: `CHAPTER I.`, `Down the Rabbit-Hole`."""
    is_one = paragraph.count("\n") < 2 and len(paragraph) <= _LONGEST_TITLE and _CHAPTER.match(paragraph.strip())
    return " ".join(paragraph.split()) if is_one else ""
