"""Rows of a table out of a file, whatever its format: JSONL, CSV, TSV, Parquet."""

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from inweights.types import UserError

Row = Mapping[str, object]
Ragged = Literal["refused", "left out"]
"""What becomes of a line of a CSV or TSV with more or fewer cells than there are columns."""
FORMATS = {
    ".jsonl": "JSONL",
    ".ndjson": "JSONL",
    ".json": "JSONL",
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
}


def read_rows(path: Path, header: Sequence[str] = (), ragged: Ragged = "refused") -> list[tuple[int, Row]]:
    """Every row with its line number (in Parquet and in a JSON list: its row number), counted from 1.

    `header`: the columns of a CSV or TSV whose first line names none of them. Raises UserError with file and line where
    something cannot be read.
    """
    try:
        rows = list(_rows(path, header, ragged))
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): save it as UTF-8") from error
    if not rows:
        raise UserError(f"{path} has no rows")
    return rows


def format_of(path: Path) -> str:
    """`JSONL`, `CSV`, `TSV` or `Parquet`. Raises UserError for a file of another ending."""
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise UserError(f"{path}: the format {path.suffix!r} is not read; give one of {', '.join(FORMATS)}")
    return FORMATS[ending]


def _rows(path: Path, header: Sequence[str], ragged: Ragged) -> Iterator[tuple[int, Row]]:
    kind = format_of(path)
    if kind == "Parquet":
        return _parquet(path)
    text = path.read_bytes().decode("utf-8-sig")
    if kind == "JSONL":
        return _json_list(path, text) if text.lstrip().startswith("[") else _jsonl(path, text)
    return _delimited(path, text, header, ragged)


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number} is not JSON ({error.msg}): expected one object per line") from error
        yield number, _object(path, number, row)


def _json_list(path: Path, text: str) -> Iterator[tuple[int, Row]]:
    try:
        rows = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno} is not JSON ({error.msg}): expected a list of objects") from error
    for number, row in enumerate(rows, start=1):
        yield number, _object(path, number, row)


def _object(path: Path, number: int, row: object) -> Row:
    if not isinstance(row, dict):
        raise UserError(f"{path}:{number} is not a JSON object: expected one object per line")
    return row


def _delimited(path: Path, text: str, header: Sequence[str], ragged: Ragged) -> Iterator[tuple[int, Row]]:
    csv.field_size_limit(sys.maxsize)  # a document in a cell is longer than the module's 128 KiB
    tabs = format_of(path) == "TSV"
    lines = io.StringIO(text, newline="")
    # A quotation mark in a TSV is text: GLUE's files have odd ones.
    reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(lines, strict=True)
    try:
        names: Sequence[str] = next(reader, [])
        if header and not set(header) & set(names):
            names, first = header, names
            yield 1, _row(path, 1, names, first)
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise UserError(f"{path} names the column {twice[0]!r} twice: rename one")
        begin = reader.line_num + 1
        for cells in reader:
            if cells and (len(cells) == len(names) or ragged == "refused"):
                yield begin, _row(path, begin, names, cells)
            begin = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{path}:{reader.line_num} is not CSV ({error}): put quotation marks around the cell") from error


def _row(path: Path, number: int, names: Sequence[str], cells: Sequence[str]) -> Row:
    if len(cells) != len(names):
        fault = "take tabs and line breaks out of the text" if format_of(path) == "TSV" else "quote cells that hold a comma"
        raise UserError(f"{path}:{number} has {len(cells)} columns and the first line names {len(names)}: {fault}")
    return dict(zip(names, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise UserError(f"{path}: reading Parquet needs pyarrow: pip install 'inweights[parquet]'") from error
    try:
        yield from enumerate(parquet.read_table(path).to_pylist(), start=1)
    except ArrowInvalid as error:
        raise UserError(f"{path} is not a Parquet file ({error})") from error
