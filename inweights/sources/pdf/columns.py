"""Pages in columns: their lines in reading order."""

import re
from collections import Counter
from collections.abc import Sequence

_GAP = re.compile(r"(?<=\S) {3,}(?=\S)")
_LEAST_ROWS = 8
"""Minimum lines of text beside text; fewer may be a table."""
_LEAST_CHARACTERS = 20
"""Minimum characters of a line of prose; the cells of a table are shorter."""
_LONGEST_LINE = 1_000


def in_reading_order(lines: Sequence[str]) -> list[str]:
    """Left columns before right ones, between lines across the page. Lines outside of columns are not moved."""
    gutter = _gutter(lines)
    if gutter is None:
        return list(lines)
    found: list[str] = []
    left: list[str] = []
    right: list[str] = []
    for line in [*lines, None]:
        if line is None or _goes_across(line, gutter):
            found += [*in_reading_order(left), "", *in_reading_order(_dedented(right)), ""] if right else left
            found += [] if line is None else [line]
            left, right = [], []
        else:
            left.append(line[:gutter].rstrip())
            right.append(line[gutter:])
    return found


def _gutter(lines: Sequence[str]) -> int | None:
    """The position that most lines leave free, if there is prose on both sides of it."""
    free: Counter[int] = Counter()
    for line in lines:
        if len(line) <= _LONGEST_LINE:
            free.update(at for gap in _GAP.finditer(line) for at in range(gap.start() + 1, gap.end() - 1))
    if not free:
        return None
    most = max(free.values())
    first = min(at for at, rows in free.items() if rows == most)
    last = first
    while free[last + 1] == most:
        last += 1
    gutter = (first + last) // 2
    across = [line for line in lines if _goes_across(line, gutter)]
    beside = [line for line in lines if not _goes_across(line, gutter) and line[:gutter].strip() and line[gutter:].strip()]
    sides = ([line[:gutter].strip() for line in beside], [line[gutter:].strip() for line in beside])
    return gutter if len(beside) >= max(_LEAST_ROWS, len(across)) and all(map(_is_prose, sides)) else None


def _goes_across(line: str, gutter: int) -> bool:
    return bool(line[max(0, gutter - 1) : gutter + 2].strip())


def _is_prose(side: Sequence[str]) -> bool:
    """Whether most lines are about as long as the longest, as in a wrapped paragraph and not in cells."""
    lengths = sorted(map(len, side))
    return lengths[len(lengths) // 2] >= max(_LEAST_CHARACTERS, 0.7 * lengths[-1])


def _dedented(lines: Sequence[str]) -> list[str]:
    least = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    return [line[least:].rstrip() for line in lines]
