"""A PDF's pages cut at its headings."""

import re
from collections.abc import Iterator, Sequence

from inweights.sources.pdf.headings import Heading, Headings, plain_key
from inweights.sources.pdf.paragraphs import Line, compounds, joined, usual_length
from inweights.sources.pdf.tables import CELLS

_MOST_PAGES = 2
"""Maximum pages of a section, so that `pages 3-4` is a useful place."""
_LONGEST_HEADING = 3
"""Lines."""
_NUMBER = re.compile(r"(chapter|part|section|appendix)?[\divxlc]*", re.IGNORECASE)

Cut = tuple[str, list[str], str]
"""Text, the headings above it, and its place."""


def sections(pages: Sequence[Sequence[str]], headings: Headings, title: str) -> Iterator[Cut]:
    """Every line is in exactly one section. A heading that repeats the title is not part of a path."""
    kept = compounds([line for lines in pages for line in lines])
    path: list[Heading] = []
    held: list[Line] = []
    for number, lines in enumerate(pages, start=1):
        if held and number - held[0].page >= _MOST_PAGES:
            yield from _section(held, path, kept)
            held = []
        usual = usual_length(lines)
        for line in _in_turn(lines, headings.get(number, ())):
            if isinstance(line, str):
                held.append(Line(number, line, usual))
                continue
            yield from _section(held, path, kept)
            held = []
            if plain_key(line.text) != plain_key(title):
                path = [*(each for each in path if each.level < line.level), line]
    yield from _section(held, path, kept)


def _in_turn(lines: Sequence[str], due: Sequence[Heading]) -> Iterator[str | Heading]:
    """The lines of a page, with headings in the place of their lines; headings without a line come first."""
    places: dict[int, tuple[int, Heading]] = {}
    for heading in due:
        place = _place(lines, heading, places)
        if place:
            places[place[0]] = (place[1], heading)
        elif not heading.is_shown:
            yield heading
    at = 0
    while at < len(lines):
        if at in places:
            at, heading = places[at]
            yield heading
        else:
            yield lines[at]
            at += 1


def _place(lines: Sequence[str], heading: Heading, taken: dict[int, tuple[int, Heading]]) -> tuple[int, int] | None:
    """The range of the lines of a heading: one to three, perhaps with a number before it."""
    wanted = plain_key(heading.text)
    for first, line in enumerate(lines):
        key = ""
        for end in range(first + 1, min(first + _LONGEST_HEADING, len(lines)) + 1):
            key += plain_key(lines[end - 1])
            if first in taken or not line.strip() or CELLS in lines[end - 1] or len(key) > len(wanted) + 20:
                break
            if key.endswith(wanted) and _NUMBER.fullmatch(key.removesuffix(wanted)):
                return first, end
    return None


def _section(held: Sequence[Line], path: Sequence[Heading], kept: frozenset[str]) -> Iterator[Cut]:
    full = [line for line in held if line.text.strip()]
    if full:
        first, last = full[0].page, full[-1].page
        where = f"page {first}" if first == last else f"pages {first}-{last}"
        yield joined(held, kept), [each.text for each in path], where
