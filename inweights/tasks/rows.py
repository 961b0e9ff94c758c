"""Rows of a table out of a file, whatever its format: JSONL, CSV, TSV, Parquet."""

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from inweights.types import UserError

Row = Mapping[str, object]
FORMATS = {".jsonl": "JSONL", ".json": "JSONL", ".csv": "CSV", ".tsv": "TSV", ".parquet": "Parquet"}


def read_rows(path: Path) -> list[tuple[int, Row]]:
    """Every row with its line number (its row number in Parquet), counted from 1.

    Raises UserError with file and line where something cannot be read.
    """
    if not path.exists():
        raise UserError(f"there is no file {path}")
    if path.suffix not in FORMATS:
        raise UserError(f"{path}: the format {path.suffix!r} is not read; give one of {', '.join(FORMATS)}")
    try:
        rows = list({"JSONL": _jsonl, "CSV": _csv, "TSV": _tsv, "Parquet": _parquet}[FORMATS[path.suffix]](path))
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text ({error.reason} at byte {error.start}): convert it first") from error
    if not rows:
        raise UserError(f"{path} has no rows")
    return rows


def _jsonl(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(f"{path}:{number} is no JSON ({error.msg}): one object per line is wanted") from error
        if not isinstance(row, dict):
            raise UserError(f"{path}:{number} is no JSON object: one object per line is wanted")
        yield number, row


def _csv(path: Path) -> Iterator[tuple[int, Row]]:
    yield from _delimited(path, ",", csv.QUOTE_MINIMAL)


def _tsv(path: Path) -> Iterator[tuple[int, Row]]:
    # A quotation mark in a TSV is text: GLUE's files have odd ones.
    yield from _delimited(path, "\t", csv.QUOTE_NONE)


def _delimited(path: Path, delimiter: str, quoting: int) -> Iterator[tuple[int, Row]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter, quoting=quoting)  # type: ignore[arg-type]
        names = next(reader, None)
        if names is None:
            return
        for cells in reader:
            if len(cells) != len(names):
                raise UserError(
                    f"{path}:{reader.line_num} has {len(cells)} columns and the first line names {len(names)}: "
                    "quote cells that hold the separator"
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))


def _parquet(path: Path) -> Iterator[tuple[int, Row]]:
    try:
        from pyarrow import ArrowInvalid, parquet
    except ImportError as error:
        raise UserError(f"{path}: reading Parquet needs pyarrow: pip install 'inweights[parquet]'") from error
    try:
        yield from enumerate(parquet.read_table(path).to_pylist(), start=1)
    except ArrowInvalid as error:
        raise UserError(f"{path} is no Parquet file ({error})") from error
