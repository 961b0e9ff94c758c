"""The lines of a PDF's pages as they are laid out, without what runs through all of them at the top and the bottom."""

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
    """Spaces in front and between words are kept, they say where a line stands; an empty line stands where a gap is."""
    text = page.extract_text(extraction_mode="layout", layout_mode_strip_rotated=False)
    lines = [line.rstrip() for line in text.translate(LIGATURES).split("\n")]
    least = min((len(line) - len(line.lstrip()) for line in lines if line), default=0)
    return [line[least:] for line in lines]


def without_running_lines(pages: Sequence[Sequence[str]], headings: Headings) -> list[list[str]]:
    """Without page numbers, and without heads and feet that are alike but for the number of the page.

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
    """The indices of the line that many lines inside the first and the last that are not empty."""
    full = [index for index, line in enumerate(page) if line.strip()]
    # A page of few lines is all edge; what it says is then said once more than it should be.
    return [full[depth], full[-1 - depth]] if len(full) > 2 * depth + 2 else []


def _keys(number: int, page: Sequence[str]) -> set[str]:
    return {key for at in _edges(page, 0) for key in _variants(number, page[at])}


def _variants(number: int, line: str) -> set[str]:
    """The line, and with its first or its last number as far from the page's own as on the pages around."""
    line = _narrow(line)
    numbers = list(_SMALL_NUMBER.finditer(line))
    ends = numbers[:1] + numbers[-1:]
    return {line} | {f"{line[: each.start()]}#{int(each[0]) - number}{line[each.end() :]}" for each in ends}


def _narrow(line: str) -> str:
    return " ".join(line.split())
