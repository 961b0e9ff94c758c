"""The lines of a PDF's pages in their layout, without running heads and feet."""

import re
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from inweights.sources.pdf.headings import LIGATURES, Headings, plain_key

if TYPE_CHECKING:
    from pypdf import PageObject

_PAGE_NUMBER = re.compile(r"\W*(page\s*)?(\d+|[ivxlc]+)(\s*(of|/)\s*\d+)?\W*", re.IGNORECASE)
_SMALL_NUMBER = re.compile(r"\b[0-9]{1,6}\b")
_LEAST_PAGES = 3


def page_lines(page: "PageObject") -> list[str]:
    """Leading and inner spaces are kept, since they show the layout; a gap becomes an empty line."""
    text = page.extract_text(extraction_mode="layout", layout_mode_strip_rotated=False)
    lines = [line.rstrip() for line in text.translate(LIGATURES).split("\n")]
    least = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return [line[least:] for line in lines]


def without_running_lines(pages: Sequence[Sequence[str]], headings: Headings) -> list[list[str]]:
    """The pages without page numbers, and without heads and feet that differ only in the page number.

    The outermost line counts as one where three pages have it: a chapter's head is on no more than the chapter's pages.
    The line next to it has to be on half of all pages. A page's heading stays.
    """
    outer = Counter(key for number, page in enumerate(pages) for key in _keys(number, page))
    inner = Counter(line for page in pages for line in {_narrow(page[at]) for at in _edges(page, 1)})
    found = []
    for number, page in enumerate(pages):
        kept = {plain_key(heading.text) for heading in headings.get(number + 1, ())}
        dropped = {
            at
            for at in _edges(page, 0)
            if _PAGE_NUMBER.fullmatch(page[at]) or any(outer[key] >= _LEAST_PAGES for key in _variants(number, page[at]))
        }
        dropped |= {at for at in _edges(page, 1) if inner[_narrow(page[at])] >= max(_LEAST_PAGES, len(pages) / 2)}
        left = [line for at, line in enumerate(page) if at not in dropped or plain_key(line) in kept]
        found.append("\n".join(left).strip("\n").split("\n"))
    return found


def _edges(page: Sequence[str], depth: int) -> list[int]:
    """The indices of the lines at that distance from the first and from the last line that is not empty."""
    full = [index for index, line in enumerate(page) if line.strip()]
    # A page of few lines has only edges: its text might be taken for a running head.
    return [full[depth], full[-1 - depth]] if len(full) > 2 * depth + 2 else []


def _keys(number: int, page: Sequence[str]) -> set[str]:
    return {key for at in _edges(page, 0) for key in _variants(number, page[at])}


def _variants(number: int, line: str) -> set[str]:
    """The line, and the line with its first or last number relative to the number of the page, as on neighbouring pages."""
    line = _narrow(line)
    numbers = list(_SMALL_NUMBER.finditer(line))
    ends = numbers[:1] + numbers[-1:]
    return {line} | {f"{line[: each.start()]}#{int(each[0]) - number}{line[each.end() :]}" for each in ends}


def _narrow(line: str) -> str:
    return " ".join(line.split())
