"""Declarations in languages that are not parsed: found by keywords and by the indentation of lines."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from inweights.sources.repository.languages import Language
from inweights.sources.repository.symbols import Symbol

_LONGEST_LINE = 300
"""Maximum characters of a line: longer ones declare nothing that people look for, and matching them can take long."""
_NO_NAMES = frozenset("if for while switch catch return else do try with function new throw sizeof defined".split())
_ABOVE = re.compile(
    r"\s*(//|/\*|\*|@|#\[|--|\[\w+.*\]$|#(?!\s*(include|define|if|ifdef|ifndef|else|elif|endif|undef|pragma|import)\b))"
    r"|(static|extern|inline|const|unsigned|struct|int|void|char|long|bool|double|float)\b[\w *]*$"
)
"""Lines above a declaration that belong to it: comments, decorators, attributes, the return type of a C function; not
lines for the C preprocessor."""
_GOES_ON = re.compile(r"\{|[)\]}]+.*[{(:,]$|#\s*(if|ifdef|ifndef|else|elif|endif|define|undef)\b|\w+:$")
"""Lines that belong to a declaration without being indented: a brace, the end of its parameters, a label."""
_CLOSES = re.compile(r"[)\]}]|end\b|fi\b|done\b|esac\b")


def declared_symbols(text: str, language: Language) -> list[Symbol]:
    """Types with their members, and functions; functions inside functions are part of these."""
    lines = text.split("\n")
    depths = [len(line) - len(line.lstrip()) for line in lines]
    found: list[_Open] = []
    open_: list[_Open] = []
    for at, line in enumerate(lines):
        while open_ and at > open_[-1].last:
            open_.pop()
        if open_ and not open_[-1].is_type:
            continue
        declared = _declared(line, language, bool(open_))
        if declared:
            name, is_type = declared
            owner = open_[-1] if open_ else None
            symbol = _Open(
                f"{owner.name}.{name}" if owner else name,
                line,
                _first(lines, at, owner.first + 1 if owner else 0),
                _last(lines, depths, at),
                is_type,
            )
            (owner.members if owner else found).append(symbol)
            open_.append(symbol)
    return [each.closed() for each in found]


@dataclass
class _Open:
    """A symbol whose end has not been reached."""

    name: str
    line: str
    first: int
    """Lines counted from 0."""
    last: int
    is_type: bool
    members: list["_Open"] = field(default_factory=list)

    def closed(self) -> Symbol:
        signature = " ".join(self.line.split()).rstrip(" {:;")
        members = tuple(each.closed() for each in self.members)
        return Symbol(self.name, signature, self.first + 1, self.last + 1, members=members)


def _declared(line: str, language: Language, is_inside: bool) -> tuple[str, bool] | None:
    if len(line) > _LONGEST_LINE:
        return None
    functions = language.functions + (language.methods if is_inside else ())
    for pattern in language.types + functions:
        match = pattern.match(line)
        if match and match["name"] not in _NO_NAMES:
            return " ".join(match["name"].split()), pattern in language.types
    return None


def _first(lines: Sequence[str], at: int, least: int) -> int:
    """The first line of a declaration, with comments and decorators directly above it."""
    while at > least and lines[at - 1].strip() and _ABOVE.match(lines[at - 1]):
        at -= 1
    return at


def _last(lines: Sequence[str], depths: Sequence[int], at: int) -> int:
    """The last line that is indented more, or the one that closes the declaration."""
    last = at
    for below in range(at + 1, len(lines)):
        line = lines[below].strip()
        if not line:
            continue
        if depths[below] <= depths[at]:
            if depths[below] < depths[at] or not (_GOES_ON.match(line) or _CLOSES.match(line)):
                return last
            if not _GOES_ON.match(line):
                return below
        last = below
    return last
