"""PDFs keep their headings, pages and tables; those that cannot be read, whoever made them, end in one clear line."""

import io
import time
import zlib
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from fpdf import FPDF
from pypdf import PdfReader, PdfWriter

from inweights.sources import pdf
from inweights.sources.pdf.tables import with_cells
from inweights.types import UserError

PROSE = "The keeper of the lighthouse writes down the weather every morning before the first boat has left the harbour. "
QUICK = pdf.Limits(seconds=20)


def made(path: Path, pages: int = 1, headings: bool = True, outline: bool = False) -> Path:
    document = FPDF()
    document.set_auto_page_break(False)
    for number in range(1, pages + 1):
        document.add_page()
        document.set_font("Helvetica", "", 9)
        document.cell(0, 8, "The Harbour Handbook", new_x="LMARGIN", new_y="NEXT")
        if headings:
            if outline:
                document.start_section(f"{number} Watch", 0)
            document.set_font("Helvetica", "B", 16)
            document.cell(0, 12, f"{number} Watch", new_x="LMARGIN", new_y="NEXT")
        document.set_font("Helvetica", "", 11)
        document.multi_cell(0, 6, PROSE * 3, new_x="LMARGIN", new_y="NEXT")
        if headings:
            document.set_font("Helvetica", "B", 11)
            document.cell(0, 12, f"{number}.1 By night", new_x="LMARGIN", new_y="NEXT")
            document.set_font("Helvetica", "", 11)
            document.multi_cell(0, 6, f"On watch {number} the lamp is lit at dusk.", new_x="LMARGIN", new_y="NEXT")
        document.set_y(-20)
        document.set_font("Helvetica", "", 9)
        document.cell(0, 8, f"Page {number} of {pages}", align="C")
    document.output(str(path))
    return path


def written(path: Path, objects: Iterable[bytes], root: int = 1) -> Path:
    """A PDF of those objects, numbered from 1, with its table of where they are."""
    content, places = b"%PDF-1.5\n", []
    for number, each in enumerate(objects, start=1):
        places.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    size = len(places) + 1
    trailer = b"trailer <</Size %d /Root %d 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (size, root, len(content))
    path.write_bytes(content + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer)
    return path


def with_stream(path: Path, data: bytes, filters: bytes = b"/FlateDecode") -> Path:
    """One page whose contents are that stream."""
    page = b"<</Type /Page /Parent 2 0 R /MediaBox [0 0 600 800] /Contents 4 0 R /Resources <</Font <</F 5 0 R>>>>>>"
    stream = b"<</Length %d /Filter [%s]>>\nstream\n%s\nendstream" % (len(data), filters, data)
    font = b"<</Type /Font /Subtype /Type1 /BaseFont /Helvetica>>"
    pages = b"<</Type /Pages /Kids [3 0 R] /Count 1>>"
    return written(path, [b"<</Type /Catalog /Pages 2 0 R>>", pages, page, stream, font])


def test_headings_told_by_their_type_become_the_section_path(tmp_path):
    found = pdf.read(made(tmp_path / "book.pdf", pages=3), "book.pdf").sections
    assert [(each.path, each.where) for each in found if each.path] == [
        (path, f"page {number}")
        for number in (1, 2, 3)
        for path in ((f"{number} Watch",), (f"{number} Watch", f"{number}.1 By night"))
    ]
    assert {each.source for each in found} == {"book.pdf"}


def test_headings_of_the_outline_become_the_section_path(tmp_path):
    found = pdf.read(made(tmp_path / "book.pdf", pages=3, outline=True), "book.pdf").sections
    assert [(each.path, each.where) for each in found] == [((f"{n} Watch",), f"page {n}") for n in (1, 2, 3)]


def test_running_heads_and_page_numbers_are_left_out(tmp_path):
    text = "\n".join(each.text for each in pdf.read(made(tmp_path / "book.pdf", pages=4), "book.pdf").sections)
    assert "lamp is lit" in text
    assert "Handbook" not in text
    assert "of 4" not in text


def test_wrapped_lines_are_paragraphs_again(tmp_path):
    found = pdf.read(made(tmp_path / "book.pdf", pages=3), "book.pdf").sections
    assert found[0].text == (PROSE * 3).strip()


def test_a_section_without_headings_says_its_two_pages(tmp_path):
    found = pdf.read(made(tmp_path / "book.pdf", pages=5, headings=False), "book.pdf").sections
    assert [each.where for each in found] == ["pages 1-2", "pages 3-4", "page 5"]


def test_words_broken_at_the_end_of_a_line_are_whole_again(tmp_path):
    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", "", 11)
    for line in (
        "Every day the light-",
        "house keeper counts well-known boats, the well-",
        "known birds and 64-",
        "bit ships.",
    ):
        document.cell(0, 6, line, new_x="LMARGIN", new_y="NEXT")
    document.output(str(tmp_path / "a.pdf"))
    text = pdf.read(tmp_path / "a.pdf", "a.pdf").sections[0].text
    assert text == "Every day the lighthouse keeper counts well-known boats, the well-known birds and 64-bit ships."


def test_rows_of_a_table_are_lines_of_cells(tmp_path):
    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", "", 11)
    with document.table() as table:
        for row in ("Name,Weight in kg,Town", "Ann,63,Paris", "Bo,,New York", "Cy the Great,101.5,"):
            cells = table.row()
            for cell in row.split(","):
                cells.cell(cell)
    document.output(str(tmp_path / "a.pdf"))
    text = pdf.read(tmp_path / "a.pdf", "a.pdf").sections[0].text
    lines = ["Name | Weight in kg | Town", "Ann | 63 | Paris", "Bo | | New York", "Cy the Great | 101.5 |"]
    assert text.split("\n") == lines


def test_prose_that_was_stretched_to_the_margin_is_no_table():
    lines = ["so   she   was   considering   in   her   own   mind", "the   pleasure   of   making   a   chain   of   them"]
    assert with_cells(lines) == lines


def test_columns_are_read_one_after_the_other(tmp_path):
    document = FPDF()
    document.add_page()
    document.set_font("Times", "B", 18)
    document.cell(0, 12, "A Title Over Both Columns", new_x="LMARGIN", new_y="NEXT")
    document.set_font("Times", "", 10)
    with document.text_columns(ncols=2, text_align="J", gutter=8) as columns:
        columns.write(
            "".join(f"Sentence {number} of this column says that it is the next after that. " for number in range(99))
        )
    document.output(str(tmp_path / "a.pdf"))
    found = pdf.read(tmp_path / "a.pdf", "a.pdf").sections
    assert found[0].title == "A Title Over Both Columns"
    words = " ".join(each.text for each in found).split()
    assert [int(after) for word, after in pairwise(words) if word == "Sentence"] == list(range(99))


def test_a_password_is_asked_off(tmp_path):
    writer = PdfWriter(clone_from=PdfReader(made(tmp_path / "open.pdf")))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "a.pdf")
    with pytest.raises(UserError, match=r"^a.pdf is encrypted: save it without a password$"):
        pdf.read(tmp_path / "a.pdf", "a.pdf")


def test_a_password_for_printing_alone_hinders_nobody(tmp_path):
    writer = PdfWriter(clone_from=PdfReader(made(tmp_path / "open.pdf")))
    writer.encrypt("", "owner", algorithm="RC4-128")
    writer.write(tmp_path / "a.pdf")
    assert "lamp is lit" in pdf.read(tmp_path / "a.pdf", "a.pdf").sections[-1].text


def test_pictures_of_pages_need_ocr(tmp_path):
    from PIL import Image

    document = FPDF()
    document.add_page()
    document.image(Image.new("L", (60, 80), 200))
    document.output(str(tmp_path / "a.pdf"))
    with pytest.raises(UserError, match=r"a.pdf has no text, so its pages are pictures \(a scan\): run OCR on it first"):
        pdf.read(tmp_path / "a.pdf", "a.pdf")


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97])
def test_a_pdf_cut_off_is_fetched_again(share, tmp_path):
    content = made(tmp_path / "whole.pdf", pages=3).read_bytes()
    (tmp_path / "a.pdf").write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match=r"^a.pdf is (cut off|damaged).*: fetch it again"):
        pdf.read(tmp_path / "a.pdf", "a.pdf")


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n%%EOF\n", b"no PDF at all", b"%PDF-1.4\n" + bytes(9000) + b"%%EOF"])
def test_what_is_no_pdf_is_damaged(content, tmp_path):
    (tmp_path / "a.pdf").write_bytes(content)
    with pytest.raises(UserError, match=r"^a.pdf is (cut off|damaged).*: fetch it again"):
        pdf.read(tmp_path / "a.pdf", "a.pdf")


CATALOG = b"<</Type /Catalog /Pages 2 0 R>>"


def nested_pages(path: Path) -> Path:
    kids = [b"<</Type /Pages /Parent %d 0 R /Kids [%d 0 R] /Count 1>>" % (n - 1, n + 1) for n in range(2, 5000)]
    return written(path, [CATALOG, *kids, b"<</Type /Page /MediaBox [0 0 9 9]>>"])


def pages_in_themselves(path: Path) -> Path:
    return written(path, [CATALOG, b"<</Type /Pages /Kids [2 0 R 2 0 R] /Count 9>>"])


def too_many_pages(path: Path) -> Path:
    pages = b"<</Type /Pages /Kids [" + b"3 0 R " * 9000 + b"] /Count 9000>>"
    return written(path, [CATALOG, pages, b"<</Type /Page /Parent 2 0 R>>"])


def nested_arrays(path: Path) -> Path:
    return written(path, [CATALOG, b"[" * 100_000 + b"]" * 100_000])


def gigabyte_of_zeros() -> bytes:
    """Squeezed to a megabyte. The squeezer is asked for one piece, which stands in it 1024 times."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = squeezer.compress(bytes(1 << 20)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    return b"\x78\xda" + piece * 1024 + squeezer.flush()


def a_bomb(path: Path) -> Path:
    return with_stream(path, gigabyte_of_zeros())


def a_bomb_in_a_bomb(path: Path) -> Path:
    return with_stream(path, zlib.compress(gigabyte_of_zeros(), 9), b"/FlateDecode /FlateDecode")


@pytest.mark.parametrize(
    "hostile", [nested_pages, pages_in_themselves, too_many_pages, nested_arrays, a_bomb, a_bomb_in_a_bomb]
)
def test_a_pdf_made_to_break_its_reader_ends_in_one_line(hostile, tmp_path):
    began = time.monotonic()
    with pytest.raises(UserError, match=r"^a.pdf [^\n]*: [^\n]+$"):
        pdf.read(hostile(tmp_path / "a.pdf"), "a.pdf", QUICK)
    assert time.monotonic() - began < QUICK.seconds


def test_an_outline_that_goes_round_in_circles_is_done_without(tmp_path):
    writer = PdfWriter(clone_from=PdfReader(made(tmp_path / "open.pdf", pages=3, outline=True)))
    first = writer.get_outline_root()["/First"].get_object()
    first[pdf_name("/Next")] = first.indirect_reference
    writer.write(tmp_path / "a.pdf")
    found = pdf.read(tmp_path / "a.pdf", "a.pdf", QUICK).sections
    assert "lamp is lit" in found[-1].text


def pdf_name(name: str) -> object:
    from pypdf.generic import NameObject

    return NameObject(name)


def test_a_pdf_that_takes_too_long_is_given_up(tmp_path):
    path = with_stream(tmp_path / "a.pdf", zlib.compress(b"BT /F 9 Tf 9 9 Td (x) Tj ET " * 200_000))
    began = time.monotonic()
    with pytest.raises(UserError, match=r"a.pdf was not read in 0.7 seconds, so it is very long or made to stall"):
        pdf.read(path, "a.pdf", pdf.Limits(seconds=0.7))
    assert time.monotonic() - began < 10


def test_a_pdf_that_takes_too_much_memory_is_given_up(tmp_path):
    path = with_stream(tmp_path / "a.pdf", zlib.compress(b"BT /F 9 Tf 9 9 Td (x) Tj ET " * 100_000))
    with pytest.raises(UserError, match=r"a.pdf (takes more memory|broke its reader)"):
        pdf.read(path, "a.pdf", pdf.Limits(seconds=20, memory_bytes=60_000_000))


def test_limits_are_named_with_what_the_file_has(tmp_path):
    path = made(tmp_path / "a.pdf", pages=3)
    with pytest.raises(UserError, match=r"a.pdf has 3 pages, more than the 2 that are read: split it"):
        pdf.read(path, "a.pdf", pdf.Limits(pages=2))
    with pytest.raises(UserError, match=r"a.pdf has .* kB, more than the 1 kB that are read: split it"):
        pdf.read(path, "a.pdf", pdf.Limits(file_bytes=1000))


def test_nothing_but_its_reader_is_started(tmp_path):
    """A name is never part of a command: it goes to the reader as data."""
    path = made(tmp_path / "a; touch b $(touch c).pdf")
    assert pdf.read(path, "odd").sections
    assert io.BytesIO(path.read_bytes()).read(4) == b"%PDF"
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
