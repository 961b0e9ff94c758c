"""What a file of code declares: classes and functions, with the lines they take up."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    name: str
    """With its class in front: `Foo.bar`."""
    signature: str
    first: int
    """Lines counted from 1, those of comments and decorators above it included."""
    last: int
    summary: str = ""
    """The first line of its docstring."""
    members: tuple["Symbol", ...] = ()


def index(symbols: Sequence[Symbol], depth: int = 0) -> Iterator[str]:
    """A line for each, members below what they belong to."""
    for symbol in symbols:
        yield "  " * depth + symbol.signature + (f": {symbol.summary}" if symbol.summary else "")
        yield from index(symbol.members, depth + 1)
