"""Which column of a file is the label, and which hold the text of which field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inweights.tasks.rows import Row
from inweights.types import UserError

LABELS = ("label", "labels", "target", "class", "category", "gold_label", "is_duplicate", "coarse_label", "answer", "y")
"""Names of a label column, the likeliest first; in any case."""
ONE = ("text", "sentence", "question", "review", "content", "input", "document", "title", "body")
FIRST = ("premise", "sentence1", "question1", "text1", "q1", "first")
SECOND = ("hypothesis", "sentence2", "question2", "text2", "q2", "second")
"""Each line has names of the same thing: a pattern's field may be in a column with another name of the line."""
OTHER = ("id", "idx", "index", "uid", "guid", "pairid", "split", "source", "")
"""Columns of strings that are not the example's text."""


@dataclass(frozen=True)
class Columns:
    """The columns of a file that hold the fields of an example and its label."""

    fields: Mapping[str, str]
    """Field of the pattern -> column."""
    label: str
    """"" for a file without labels."""
    subset: tuple[str, ...] = ()
    """Columns that name the subset, joined by a slash."""


def detect(rows: Sequence[tuple[int, Row]], path: Path, pattern_fields: Sequence[str], given: Mapping[str, str]) -> Columns:
    """The columns of a file. `pattern_fields`: those of the pattern, if there is one; `given`: the user's mapping.

    Without a pattern the text is in columns with usual names, or else in every column of words. Raises UserError that lists
    the columns.
    """
    label = label_column(rows, path, given)
    return Columns(text_columns(rows, path, pattern_fields, given, label), label)


def label_column(rows: Sequence[tuple[int, Row]], path: Path, given: Mapping[str, str]) -> str:
    there = list(rows[0][1])
    _check(given, there, path)
    label = given.get("label") or _named(LABELS, there)
    if label is None:
        raise UserError(f"{path} has no label column; it has {', '.join(there)}: name it with --columns label=COLUMN")
    return label


def text_columns(
    rows: Sequence[tuple[int, Row]], path: Path, pattern_fields: Sequence[str], given: Mapping[str, str], label: str
) -> dict[str, str]:
    """Field -> column, for every field of the pattern in its order."""
    there = [name for name in rows[0][1] if name != label]
    _check(given, list(rows[0][1]), path)
    fields = {field: column for field, column in given.items() if field != "label"}
    # Exact names first: otherwise another field with a similar meaning could take their column.
    fields |= {field: field for field in pattern_fields if field in there and field not in fields}
    for field in pattern_fields:
        column = fields.get(field) or _synonym(field, there, fields)
        if column is None:
            raise UserError(
                f"the pattern asks for the field {{{field}}}; {path} has {', '.join(there)}: "
                f"change the pattern or give --columns {field}=COLUMN"
            )
        fields[field] = column
    if fields:
        return fields
    known = [name for name in there if name.lower() in (*ONE, *FIRST, *SECOND)]
    # The pattern would read a brace in a column's name as its own.
    texts = known or [n for n in there if n.lower() not in OTHER and not {"{", "}"} & set(n) and _words(rows, n)]
    if not texts:
        raise UserError(f"{path} has no text column; it has {', '.join(rows[0][1])}: give --columns text=COLUMN")
    return {name: name for name in texts}


def _check(given: Mapping[str, str], there: Sequence[str], path: Path) -> None:
    for field, column in given.items():
        if column not in there:
            raise UserError(f"{path} has no column {column!r} (given for {field}); it has {', '.join(there)}")


def _named(names: Sequence[str], there: Sequence[str]) -> str | None:
    lower = {column.lower(): column for column in reversed(there)}
    return next((lower[name] for name in names if name in lower), None)


def _synonym(field: str, there: Sequence[str], taken: Mapping[str, str]) -> str | None:
    free = [column for column in there if column not in taken.values()]
    return next((_named(names, free) for names in (ONE, FIRST, SECOND) if field.lower() in names), None)


def _words(rows: Sequence[tuple[int, Row]], column: str) -> bool:
    """Whether the first values are strings with letters: not numbers, not dates."""
    values = [row.get(column) for _, row in rows[:100]]
    return all(isinstance(value, str) and any(c.isalpha() for c in value) for value in values if value not in (None, ""))
