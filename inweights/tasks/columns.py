"""From rows to examples: which column is the label, which hold text, which number stands for which label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from inweights.tasks.rows import Row, read_rows
from inweights.types import Example, UserError

LABEL_COLUMNS = ("label", "labels", "target", "class", "category", "gold_label", "answer", "y")
TEXT_COLUMNS = ("text", "sentence", "text1", "text2", "sentence1", "sentence2", "premise", "hypothesis")
TEXT_COLUMNS += ("question", "question1", "question2", "q1", "q2", "passage", "review", "content", "input")
MISSING = (None, "", "-1", -1)


@dataclass(frozen=True)
class Columns:
    """Where the fields of an example and its label stand in a file."""

    fields: Mapping[str, str]
    """Field of the pattern -> column."""
    label: str
    subset: tuple[str, ...] = ()
    """Columns that name the subset, joined by a slash."""


def detect(rows: Sequence[tuple[int, Row]], path: Path, wanted: Sequence[str], given: Mapping[str, str]) -> Columns:
    """The columns of a file. `wanted`: fields the pattern asks for, if there is one; `given`: the user's mapping.

    Raises UserError that lists the columns there are.
    """
    there = list(rows[0][1])
    for field, column in given.items():
        if column not in there:
            raise UserError(f"{path} has no column {column!r} (given for {field}); it has {', '.join(there)}")
    label = given.get("label") or next((name for name in LABEL_COLUMNS if name in there), None)
    if label is None:
        raise UserError(f"{path} has no label column; it has {', '.join(there)}: name it with --columns label=COLUMN")
    fields = {field: column for field, column in given.items() if field != "label"}
    for field in wanted:
        if field not in fields:
            if field not in there:
                raise UserError(
                    f"the pattern asks for the field {{{field}}}; {path} has {', '.join(there)}: "
                    f"change the pattern or give --columns {field}=COLUMN"
                )
            fields[field] = field
    if not fields:
        known = [name for name in TEXT_COLUMNS if name in there]
        texts = known or [n for n in there if n != label and all(isinstance(row[n], str) for _, row in rows[:100])]
        if not texts:
            raise UserError(f"{path} has no text column; it has {', '.join(there)}: give --columns text=COLUMN")
        fields = {name: name for name in texts}
    return Columns(fields, label)


def label_names(path: Path, rows: Sequence[tuple[int, Row]], column: str) -> tuple[str, ...]:
    """The labels of a file: whole numbers in their order, anything else by the alphabet."""
    found = Counter(str(row[column]) for _, row in rows if row[column] not in MISSING)
    names = sorted(found, key=lambda name: (0, int(name), "") if name.lstrip("-").isdigit() else (1, 0, name))
    if len(names) < 2:
        raise UserError(f"{path} has one class only ({', '.join(names) or 'none'}): at least two are wanted")
    return tuple(names)


def examples(
    path: Path,
    rows: Sequence[tuple[int, Row]],
    columns: Columns,
    labels: Mapping[str, int],
    empty: Literal["refused", "kept"] = "refused",
) -> list[Example]:
    """Raises UserError with file and line for an unknown label or an empty text."""
    made = []
    for number, row in rows:
        fields = {}
        for field, column in columns.fields.items():
            value = row.get(column)
            if empty == "refused" and (value is None or not str(value).strip()):
                raise UserError(f"{path}:{number} has no text in {column!r}: fill it or take the line out")
            fields[field] = "" if value is None else str(value).strip()
        raw = row.get(columns.label)
        label = None if raw in MISSING else labels.get(str(raw))
        if label is None and raw not in MISSING:
            known = ", ".join(dict.fromkeys(labels))
            raise UserError(f"{path}:{number} has the label {raw!r}, which is none of {known}")
        made.append(Example(fields, label, "/".join(str(row[name]) for name in columns.subset if name in row)))
    return made


def labelled(path: Path, columns: Columns, labels: Mapping[str, int]) -> list[Example]:
    """The file's examples that have a label; the others cannot be scored or shown."""
    found = [e for e in examples(path, read_rows(path), columns, labels) if e.label is not None]
    if not found:
        raise UserError(f"{path} has no example with a label in {columns.label!r}")
    return found
