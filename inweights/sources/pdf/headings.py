"""A PDF's headings: those of its outline, or else lines in larger or bolder type."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

LIGATURES = str.maketrans({"ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl", "ﬃ": "ffi", "ﬄ": "ffl", "\u00a0": " "})
_MOST_ENTRIES = 20_000
_BOLD = re.compile(r"bold|black|heavy|demi|medi$|cmbx|cmssbx", re.IGNORECASE)
_NUMBERED = re.compile(r"(\d+(?:\.\d+)*)\.?\s+\S")
_ENTRY = re.compile(r"(.*\S)[\s.]+\d+")
_LONGEST = 150
_LARGER = 1.1
"""Times the size of most of the document's text."""


class Heading(NamedTuple):
    level: tuple[float, ...]
    """Lower levels are further out."""
    text: str
    is_shown: bool
    """Whether it was found on the page; else it comes from the outline, and may be worded differently on its page."""


class TypeLine(NamedTuple):
    text: str
    size: float
    bold: bool


Headings = dict[int, list[Heading]]
"""The headings of each page, counted from 1."""


def outline(reader: "PdfReader") -> Headings:
    """The headings of the outline; empty where there is none, or its targets cannot be resolved."""
    found: Headings = {}
    try:
        waiting: list[tuple[float, Any]] = [(0.0, each) for each in reversed(reader.outline)]
        for _ in range(_MOST_ENTRIES):
            if not waiting:
                break
            depth, entry = waiting.pop()
            if isinstance(entry, list):
                waiting += [(depth + 1, each) for each in reversed(entry)]
                continue
            page, title = reader.get_destination_page_number(entry), " ".join(str(entry.title or "").split())
            if page is not None and page >= 0 and title:
                found.setdefault(page + 1, []).append(Heading((depth,), title, False))
    except (MemoryError, RecursionError):
        return {}
    except Exception:  # an outline may be damaged in any way, and the pages may be read without it
        return {}
    return found


def largest_line(reader: "PdfReader") -> str:
    """The largest line of the first page, if another line is smaller and it is not numbered; else nothing."""
    lines = list(_merged(list(_type_lines(reader.pages[0]))))
    largest = max(lines, key=lambda line: line.size, default=TypeLine("", 0, False))
    is_title = not _NUMBERED.match(largest.text) and largest.size > min((line.size for line in lines), default=0)
    return largest.text if is_title else ""


def headings_by_type(reader: "PdfReader") -> Headings:
    """Headings by size and weight, without the entries of a table of contents, which are a heading and its page."""
    pages = [list(_type_lines(page)) for page in reader.pages]
    sizes: Counter[float] = Counter()
    bold = 0
    for line in (line for page in pages for line in page):
        sizes[line.size] += len(line.text)
        bold += len(line.text) * line.bold
    if not sizes:
        return {}
    body = sizes.most_common(1)[0][0]
    counts_bold = bold < sizes.total() / 4
    found = {
        number: [_heading(line) for line in _merged(lines) if _stands_out(line, body, counts_bold)]
        for number, lines in enumerate(pages, start=1)
    }
    texts = {heading.text for headings in found.values() for heading in headings}
    entries = {text for text in texts if (entry := _ENTRY.fullmatch(text)) and entry[1] in texts}
    return {number: [each for each in headings if each.text not in entries] for number, headings in found.items()}


def plain_key(text: str) -> str:
    """Letters and digits only: the same for two spellings of one line."""
    return re.sub(r"[\W_]+", "", text).lower()


def _heading(line: TypeLine) -> Heading:
    numbered = _NUMBERED.match(line.text)
    depth = numbered[1].count(".") + 1 if numbered else 1
    return Heading((-line.size, not line.bold, depth), line.text, True)


def _stands_out(line: TypeLine, body: float, counts_bold: bool) -> bool:
    stands_out = line.size >= _LARGER * body or (counts_bold and line.bold and line.size >= 0.95 * body)
    is_sentence = line.text.endswith((",", ";", "-")) or (line.text.endswith(".") and not _NUMBERED.match(line.text))
    is_dotted = re.search(r"(\. ?){3,}\s*\d*$", line.text)
    has_words = len(line.text) <= _LONGEST and re.search(r"[^\W\d_]{2}", line.text)
    return bool(stands_out and has_words and not is_sentence and not is_dotted)


def _merged(lines: list[TypeLine]) -> Iterator[TypeLine]:
    """Headings of several lines joined; a number begins a new heading."""
    held: TypeLine | None = None
    for line in lines:
        if held and (held.size, held.bold) == (line.size, line.bold) and not _NUMBERED.match(line.text):
            held = held._replace(text=f"{held.text} {line.text}") if len(held.text) <= _LONGEST else held
        else:
            if held:
                yield held
            held = line
    if held:
        yield held


def _type_lines(page: "PageObject") -> Iterator[TypeLine]:
    """The lines of the page in the order in which they are drawn, each with the size and weight of most of its text."""
    pieces: list[tuple[str, float, bool]] = []

    def seen(text: str, outer: Any, inner: Any, font: Any, size: float) -> None:
        scale = abs((outer[0] * outer[3] - outer[1] * outer[2]) * (inner[0] * inner[3] - inner[1] * inner[2])) ** 0.5
        name = str(font.get("/BaseFont", "")) if font else ""
        pieces.append((text, round(size * scale * 2) / 2, bool(_BOLD.search(name))))

    page.extract_text(visitor_text=seen)
    held: list[tuple[str, float, bool]] = []
    for text, size, bold in [*pieces, ("\n", 0.0, False)]:
        for index, part in enumerate(text.translate(LIGATURES).split("\n")):
            if index and (said := " ".join("".join(each for each, _, _ in held).split())):
                weights: Counter[tuple[float, bool]] = Counter()
                for each, its_size, its_bold in held:
                    weights[its_size, its_bold] += len(each.strip())
                yield TypeLine(said, *weights.most_common(1)[0][0])
            held = [] if index else held
            if part:
                held.append((part, size, bold))
