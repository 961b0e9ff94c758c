"""From rows to examples: fields as text, labels as numbers; every error names its file and line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from inweights.tasks.columns import Columns
from inweights.tasks.rows import Row
from inweights.types import Example, UserError

SHOWN = 12
"""Maximum number of known labels in an error."""


def examples(
    path: Path,
    rows: Sequence[tuple[int, Row]],
    columns: Columns,
    labels: Mapping[str, int],
    empty: Literal["refused", "kept"] = "refused",
) -> list[Example]:
    """The rows as examples, with labels where `columns` names their column; `labels`: spelling in the file -> number.

    Raises UserError with file and line for a label that is unknown or missing, and for an empty text.
    """
    made = []
    for number, row in rows:
        where = f"{path}:{number}"
        fields = {field: _text(row, column, where, empty) for field, column in columns.fields.items()}
        label = _label(row, columns.label, labels, where) if columns.label else None
        subset = "/".join(str(row[name]).replace("/", "_") for name in columns.subset if name in row)
        made.append(Example(fields, label, subset))
    return made


def spelled(label: object) -> str:
    """A label as a user would type it: `true`, `1`, `yes`, also where the file holds True, 1.0 or " yes"."""
    if isinstance(label, bool):
        return str(label).lower()
    if isinstance(label, float) and label.is_integer():
        return str(int(label))
    return "" if label is None else str(label).strip()


def _text(row: Row, column: str, where: str, empty: Literal["refused", "kept"]) -> str:
    value = row.get(column)
    if column not in row and empty == "refused":
        raise UserError(f"{where} has no {column!r}; it has {', '.join(row)}")
    if isinstance(value, (list, dict, bytes)):
        raise UserError(f"{where} holds a {type(value).__name__} in {column!r}: expected text")
    text = "" if value is None else str(value).strip()
    if not text and empty == "refused":
        raise UserError(f"{where} has no text in {column!r}: fill it or remove the line")
    return text


def _label(row: Row, column: str, labels: Mapping[str, int], where: str) -> int:
    label = spelled(row.get(column))
    if label in labels:
        return labels[label]
    if not label:
        raise UserError(f"{where} has no label in {column!r}: fill it or remove the line")
    known = [*dict.fromkeys(labels)]
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    raise UserError(f"{where} has the label {label!r}, which is not one of {', '.join(known[:SHOWN])}{more}")
