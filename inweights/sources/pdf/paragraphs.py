"""Lines joined to paragraphs."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from inweights.sources.pdf.tables import CELLS

_FULL = 0.8
"""Share of the usual line length: a shorter line ends its paragraph."""
_LEAST_CHARACTERS = 20
_ITEM = re.compile(r"\s*([-•*–▪◦]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s")
_HYPHEN = re.compile(r"(\w+)[-\u00ad\u2010]$")
_COMPOUND = re.compile(r"\w+-\w+")
_LEADER = re.compile(r"( ?\.){4,} *")
"""Of a table of contents."""


class Line(NamedTuple):
    page: int
    text: str
    usual: int
    """The number of characters in most lines of the page."""


def usual_length(lines: Sequence[str]) -> int:
    lengths = sorted(len(line) for line in lines if len(line) >= _LEAST_CHARACTERS)
    # A little above the median: with two columns, the length of their lines and not of those across the page.
    return lengths[int(0.6 * len(lengths))] if lengths else 0


def compounds(lines: Sequence[str]) -> frozenset[str]:
    """Words that have a hyphen inside a line, and so keep it at the end of a line."""
    return frozenset(word.lower() for line in lines for word in _COMPOUND.findall(line))


def joined(lines: Sequence[Line], kept: frozenset[str]) -> str:
    """One line for each paragraph. Words broken by a hyphen are joined; programs and tables keep their lines."""
    found: list[str] = []
    before = Line(0, "", 0)
    for line in lines:
        if found and _goes_on(before, line.text):
            found[-1] = _glued(found[-1].lstrip(), _narrow(line.text).lstrip(), kept)
        elif line.text.strip() or (found and found[-1]):
            found.append(_narrow(line.text))
        before = line
    return "\n".join(found).strip("\n")


def _goes_on(before: Line, line: str) -> bool:
    is_text = bool(before.text.strip() and line.strip()) and CELLS not in before.text + line and not _ITEM.match(line)
    is_full = len(before.text) >= _FULL * before.usual
    is_broken = bool(_HYPHEN.search(before.text)) and line.lstrip()[:1].islower()
    # More indented than the line before: a new paragraph, a quotation, a program; but an item's text is more indented than
    # its mark.
    is_as_deep = _indent(line) <= max(_indent(before.text), len((_ITEM.match(before.text) or [""])[0]))
    return is_text and (is_broken or (is_full and is_as_deep))


def _glued(text: str, line: str, kept: frozenset[str]) -> str:
    broken = _HYPHEN.search(text)
    if not broken:
        return f"{text} {line}"
    rest = (re.match(r"\w*", line) or [""])[0]
    is_compound = f"{broken[1]}-{rest}".lower() in kept and text[-1] != "\u00ad"
    is_word = re.fullmatch(r"[^\W\d_]{2,}", broken[1]) and rest[:1].islower()
    return (text[:-1] if is_word and not is_compound else text) + line


def _narrow(line: str) -> str:
    """Single spaces between words; justified lines have wider ones."""
    return line[: _indent(line)] + re.sub(r" {2,}", " ", _LEADER.sub(" ... ", line[_indent(line) :])).rstrip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
