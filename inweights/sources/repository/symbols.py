"""The declarations of a file of code: classes and functions with their lines."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    name: str
    """Qualified by its class: `Foo.bar`."""
    signature: str
    first: int
    """Lines counted from 1, with comments and decorators above the declaration."""
    last: int
    summary: str = ""
    """The first line of its docstring."""
    members: tuple["Symbol", ...] = ()


def index(symbols: Sequence[Symbol], depth: int = 0) -> Iterator[str]:
    """One line for each symbol, members below their class."""
    for symbol in symbols:
        yield "  " * depth + symbol.signature + (f": {symbol.summary}" if symbol.summary else "")
        yield from index(symbol.members, depth + 1)
