"""Tables in memory (lists of dicts, DataFrames, datasets) as files of a study, so that it can be opened again."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from inweights.records import write_whole
from inweights.types import UserError

Row = Mapping[str, Any]


@runtime_checkable
class DataFrame(Protocol):
    """As in pandas."""

    def to_dict(self, orient: Any) -> Any: ...


@runtime_checkable
class Dataset(Protocol):
    """As in `datasets`."""

    @property
    def features(self) -> Any: ...

    def to_list(self) -> list[Any]: ...


Table = str | Path | Sequence[Row] | DataFrame | Dataset
"""A file, or its rows."""


def as_file(table: Table, name: str, study: Path) -> str:
    """The path of the table; a table in memory is first written to STUDY/data under the name of its set.

    Raises UserError for what is not a table.
    """
    if isinstance(table, str | Path):
        return str(table)
    if "/" in name or "\\" in name:
        raise UserError(f"the out-of-domain set {name!r} has a path separator in its name: give a name without / and \\")
    lines = "".join(_line(_plain(row), f"{name}, row {number}") + "\n" for number, row in enumerate(_rows(table, name)))
    folder = study / "data" / hashlib.sha256(lines.encode()).hexdigest()[:10]
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"{name}.jsonl", lines)
    return str(folder / f"{name}.jsonl")


def _rows(table: Any, name: str) -> Iterable[Row]:
    if isinstance(table, Dataset):
        names = {column: each.names for column, each in table.features.items() if type(each).__name__ == "ClassLabel"}
        return [{key: _named(value, names.get(key)) for key, value in row.items()} for row in table.to_list()]
    if isinstance(table, DataFrame) and not isinstance(table, Mapping):
        return table.to_dict("records")  # type: ignore[no-any-return]
    if isinstance(table, Sequence) and all(isinstance(row, Mapping) for row in table):
        return table
    raise UserError(
        f"{name} is a {type(table).__name__}: expected a file's path, a list of dicts, a pandas DataFrame or a Dataset"
    )


def _named(value: Any, names: Sequence[str] | None) -> Any:
    """The row with names of labels: a dataset keeps labels as numbers and their names separately; -1 is no label."""
    return names[value] if names and isinstance(value, int) and value >= 0 else value


def _line(row: dict[str, Any], where: str) -> str:
    try:
        return json.dumps(row, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_not_plain(row)}: expected text, a number or None; turn it into text first") from error


def _not_plain(row: dict[str, Any]) -> str:
    for key, value in row.items():
        try:
            json.dumps(value)
        except (TypeError, ValueError):
            return f"{key} is a {type(value).__name__}"
    return f"it is {row!r}"


def _plain(row: Row) -> dict[str, Any]:
    return {str(key): _value(value) for key, value in row.items()}


def _value(value: Any) -> Any:
    number = value.item() if type(value).__module__ == "numpy" and hasattr(value, "item") else value
    return None if isinstance(number, float) and math.isnan(number) else number
