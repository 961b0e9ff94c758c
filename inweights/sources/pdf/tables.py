"""Rows of tables, cell by cell."""

import re
from collections.abc import Sequence
from itertools import pairwise

CELLS = " | "
_GAP = re.compile(r"(?<=[^\s.:;?!]) {3,}(?=\S)")
"""The gap between cells; the wide space after a sentence is not one."""
_NUMBERED = re.compile(r"(\s*[\d.]+) +(?=\S)")
"""The number of a heading or an item with the space after it, which is not a gap of a table."""
_PROSE_WORDS = 8
"""A line with this many words, most of them in lower case, is justified prose."""
_WIDE = " " * 8
_LEAST_ROWS = 2
_LEAST_SHARE = 2 / 3
"""Minimum share of rows with text in two cells or more; a formula of several lines has fewer."""


def with_cells(lines: Sequence[str]) -> list[str]:
    """Consecutive rows with gaps at the same place, written as `cell | cell`; empty cells are kept."""
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
    """Whether a line continues the table: a row, or a line without a gap between two rows, such as a cell's second line."""
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
    """The gaps between columns: two or more positions at which no row has a character."""
    wide = max(map(len, rows))
    taken = "".join("x" if any(row[at : at + 1].strip() for row in rows) else " " for at in range(wide))
    return [gap.span() for gap in re.finditer(r"(?<=x) {2,}(?=x)", taken)]
