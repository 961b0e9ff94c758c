"""Rows of tables, cell by cell."""

import re
from collections.abc import Sequence
from itertools import pairwise

CELLS = " | "
_GAP = re.compile(r"(?<=[^\s.:;?!]) {3,}(?=\S)")
"""Between cells; the wide space behind a sentence is none."""
_NUMBERED = re.compile(r"(\s*[\d.]+) +(?=\S)")
"""The number of a heading or an item, and the space behind it, which makes no table."""
_PROSE_WORDS = 8
"""A line with that many, most of them in lower case, is prose stretched to the margin."""
_WIDE = " " * 8
_LEAST_ROWS = 2
_LEAST_SHARE = 2 / 3
"""Of rows with two cells or more; a formula of several lines has fewer."""


def with_cells(lines: Sequence[str]) -> list[str]:
    """Rows one below another whose gaps are at the same place, each as `cell | cell`; empty cells are kept."""
    found: list[str] = []
    rows: list[str] = []
    for index, line in enumerate([*lines, "."]):
        if rows and _continues(rows, line, next(filter(str.strip, lines[index + 1 :]), "")):
            rows.append(line)
            continue
        found += _cut(rows)
        rows = [line] if _has_gap(line) else []
        found += [] if rows else [line]
    return found[:-1]


def _continues(rows: Sequence[str], line: str, following: str) -> bool:
    """A row as those before it; or a line without a gap between two with one, such as a cell's second line or nothing."""
    if _has_gap(line):
        return bool(_free([*rows, line]))
    return _has_gap(following) and bool(_free([*rows, line, following]))


def _has_gap(line: str) -> bool:
    words = line.split()
    is_prose = len(words) >= _PROSE_WORDS and sum(map(str.islower, words)) > len(words) / 2
    is_stretched = is_prose and _WIDE not in line.strip()
    return not is_stretched and bool(_GAP.search(_NUMBERED.sub(r"\1 ", line, count=1)))


def _cut(rows: Sequence[str]) -> list[str]:
    full = [row for row in rows if row.strip()]
    free = _free(full) if len(full) >= _LEAST_ROWS else []
    borders = [0, *((first + end) // 2 for first, end in free), None]
    cells = [[" ".join(row[a:b].split()) for a, b in pairwise(borders)] for row in full]
    several = sum(sum(any(map(str.isalnum, cell)) for cell in row) > 1 for row in cells)
    return [CELLS.join(row) for row in cells] if several >= max(_LEAST_ROWS, _LEAST_SHARE * len(full)) else list(rows)


def _free(rows: Sequence[str]) -> list[tuple[int, int]]:
    """Where no row has a letter, two spaces wide or more, between columns that some row has one in."""
    wide = max(map(len, rows))
    taken = "".join("x" if any(row[at : at + 1].strip() for row in rows) else " " for at in range(wide))
    return [gap.span() for gap in re.finditer(r"(?<=x) {2,}(?=x)", taken)]
