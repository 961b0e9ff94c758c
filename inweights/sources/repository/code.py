"""A file of code as sections: a list of its declarations, then one section for each symbol and for the code between."""

from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from inweights.sources.repository.declared import declared_symbols
from inweights.sources.repository.languages import LANGUAGES
from inweights.sources.repository.python import python_symbols
from inweights.sources.repository.symbols import Symbol, index
from inweights.sources.text import lines
from inweights.sources.types import Section

_LARGE = 2_000
"""Maximum characters of a class; a larger one is cut at its methods."""


def is_code(name: str) -> bool:
    return PurePosixPath(name).suffix.lower() in LANGUAGES


def code_sections(text: str, source: str, title: str) -> Iterator[Section]:
    """The sections; the `path` of each is the file and the symbol."""
    suffix = PurePosixPath(source).suffix.lower()
    parsed = python_symbols(text) if suffix in (".py", ".pyi") else None
    symbols, summary = parsed or (declared_symbols(text, LANGUAGES[suffix]), "")
    written = text.split("\n")
    if symbols:
        listed = "\n".join([*([summary] if summary else []), *index(symbols)])
        yield Section(listed, title, (source, "symbols"), source, lines(1, len(written)))
    for path, first, last in _pieces(symbols, 1, len(written), (source,), written):
        while first <= last and not written[first - 1].strip():
            first += 1
        while first <= last and not written[last - 1].strip():
            last -= 1
        if first <= last:
            yield Section("\n".join(written[first - 1 : last]), title, path, source, lines(first, last))


def _pieces(
    symbols: Sequence[Symbol], first: int, last: int, above: tuple[str, ...], written: Sequence[str]
) -> Iterator[tuple[tuple[str, ...], int, int]]:
    """Path, first and last line of each section; together they have all lines."""
    for symbol in symbols:
        # Two symbols may share a line: the text between belongs to the first.
        begin = max(first, symbol.first)
        yield above, first, begin - 1
        path = (above[0], symbol.name)
        if symbol.members and sum(map(len, written[begin - 1 : symbol.last])) > _LARGE:
            yield from _pieces(symbol.members, begin, symbol.last, path, written)
        else:
            yield path, begin, symbol.last
        first = max(first, symbol.last + 1)
    yield above, first, last
