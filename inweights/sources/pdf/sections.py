"""A PDF's pages cut at its headings."""

import re
from collections.abc import Iterator, Sequence

from inweights.sources.pdf.headings import Heading, Headings, plain_key
from inweights.sources.pdf.paragraphs import Line, compounds, joined, usual_length
from inweights.sources.pdf.tables import CELLS

_MOST_PAGES = 2
"""Of one section: `pages 3-4` still says where something is."""
_LONGEST_HEADING = 3
"""Lines."""
_NUMBER = re.compile(r"(chapter|part|section|appendix)?[\divxlc]*", re.IGNORECASE)

Cut = tuple[str, list[str], str]
"""Text, the headings above it, its place."""


def sections(pages: Sequence[Sequence[str]], headings: Headings, title: str) -> Iterator[Cut]:
    """Every line stands in one section. A heading that says the title stands in no path."""
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
    """Lines of a page, and headings in place of those that say them; those that none says are at the top."""
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
    """The first and the last but one of the lines that say it, one to three and perhaps with a number in front."""
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
