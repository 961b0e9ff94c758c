"""A file's bytes as text, or the reason why they are not text."""

import codecs
import re
from pathlib import Path

from inweights.sources.refused import RefusedError

MOST_BYTES = 20_000_000
"""Maximum bytes of a text: more than any model reads, and about what is read in a minute."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    # In this order, because the byte order mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_FORMATS = ((b"%PDF-", "a PDF"), (b"PK\x03\x04", "a zip archive, as Word, Excel and EPUB write them"), (b"\x1f\x8b", "gzip"))
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")


def text_of(path: Path, source: str, most_bytes: int = MOST_BYTES) -> str:
    """The file as text, with line feeds only. Raises RefusedError where it is too large or not text."""
    return decoded(bytes_of(path, source, most_bytes), source)


def bytes_of(path: Path, source: str, most_bytes: int = MOST_BYTES) -> bytes:
    """Raises RefusedError for more than `most_bytes`, and for anything but a regular file: reading a pipe would block."""
    try:
        if not path.is_file():
            raise RefusedError(source, "is not a regular file: give a file or a folder")
        size = path.stat().st_size
        if size > most_bytes:
            raise RefusedError(source, f"has {in_words(size)}, more than the {in_words(most_bytes)} that are read: split it")
        # Some files are longer than their size says, for example in /proc.
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except OSError as error:
        raise RefusedError(source, f"cannot be read: {error.strerror or error}") from error
    if len(content) > most_bytes:
        raise RefusedError(source, f"has more than the {in_words(most_bytes)} that are read: split it")
    return content


def decoded(content: bytes, source: str, declared: str = "") -> str:
    """`declared`: the encoding that a page declares, used where the bytes are not UTF-8. Raises RefusedError."""
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "")
    if not encoding and is_binary(content):
        what = next((f", {name}" for start, name in _FORMATS if content.startswith(start)), "")
        raise RefusedError(source, f"is binary{what}: give plain text, Markdown, HTML or a PDF")
    try:
        text = content.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        text = _as_declared(content, declared)
        if not text:
            what = f"is not {(encoding or 'utf-8').upper()} text ({error.reason} at byte {error.start})"
            raise RefusedError(source, f"{what}: save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_binary(content: bytes) -> bool:
    """Whether the bytes are binary: a zero byte near the start, as in git, or many control characters there."""
    start = content[:8000]
    return b"\0" in start or len(_CONTROL.findall(start)) > len(start) / 50


def in_words(size: int) -> str:
    """1,500,000 as `1.5 MB`."""
    for unit, bytes_each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_each:
            return f"{size / bytes_each:.4g} {unit}"
    return f"{size} bytes"


def _as_declared(content: bytes, declared: str) -> str:
    try:
        return content.decode(declared) if declared else ""
    except (LookupError, ValueError):
        return ""
