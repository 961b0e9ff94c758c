"""A PDF's sections: the lines of its pages, cut at its headings, each with its pages."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from inweights.sources.pdf.columns import in_reading_order
from inweights.sources.pdf.headings import headings_by_type, largest_line, outline
from inweights.sources.pdf.lines import page_lines, without_running_lines
from inweights.sources.pdf.sections import sections
from inweights.sources.pdf.tables import with_cells

if TYPE_CHECKING:
    from pypdf import PdfReader

MOST_CHARACTERS = 20_000_000
_LEAST_OUTLINE = 3
"""An outline with fewer entries is less informative than type sizes."""
_TAIL_BYTES = 4096
_FILE_NAME = re.compile(r"^(microsoft word|untitled)|\.(docx?|odt|pdf|dvi|tex)$", re.IGNORECASE)


class UnreadableError(Exception):
    """The rest of a sentence that begins with the file's name."""


def document(path: str, most_pages: int) -> dict[str, Any]:
    """`title`, and `sections` as text, headings above and place. Raises UnreadableError, and what pypdf raises."""
    from pypdf import PdfReader

    reader = PdfReader(path)
    _refuse_what_is_cut_off(path)
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadableError("is encrypted: save it without a password")
    count = len(reader.pages)
    if count > most_pages:
        raise UnreadableError(f"has {count:,} pages, more than the {most_pages:,} that are read: split it")
    laid_out = _pages(reader)
    _refuse_what_has_no_text(laid_out)
    title = _title(reader) or largest_line(reader)
    headings = outline(reader)
    if sum(map(len, headings.values())) < _LEAST_OUTLINE:
        headings = headings_by_type(reader)
    pages = [with_cells(in_reading_order(lines)) for lines in without_running_lines(laid_out, headings)]
    return {"title": title, "sections": list(sections(pages, headings, title))}


def _refuse_what_is_cut_off(path: str) -> None:
    with open(path, "rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - _TAIL_BYTES))
        if b"%%EOF" not in file.read():
            raise UnreadableError("is cut off, it has no end: fetch it again")


def _pages(reader: "PdfReader") -> list[list[str]]:
    pages, characters = [], 0
    for page in reader.pages:
        lines = page_lines(page)
        characters += sum(map(len, lines))
        if characters > MOST_CHARACTERS:
            raise UnreadableError(f"has more than the {MOST_CHARACTERS:,} characters that are read: split it")
        pages.append(lines)
    return pages


def _refuse_what_has_no_text(pages: Sequence[Sequence[str]]) -> None:
    text = "".join(line for page in pages for line in page)
    if not text.strip():
        raise UnreadableError("has no text, so its pages are pictures (a scan): run OCR on it first, such as ocrmypdf")
    # Text in fonts without a table of characters is extracted as private or control characters, or as numbers of glyphs.
    odd = sum(not each.isprintable() or each == "\ufffd" or "\ue000" <= each <= "\uf8ff" for each in text)
    if odd > len(text) / 4:
        raise UnreadableError("has text that does not say which letters it is: run OCR on it first, such as ocrmypdf")


def _title(reader: "PdfReader") -> str:
    try:
        title = " ".join(str((reader.metadata and reader.metadata.title) or "").split())
    except Exception:  # whatever is wrong with a title, the pages may be read
        return ""
    # Printing programs write the name of a file there.
    return "" if _FILE_NAME.search(title) else title
