"""The rows of a report as a pandas DataFrame."""

from collections.abc import Sequence
from typing import Any

from inweights.report.row import Row
from inweights.report.rows import rows_of
from inweights.types import Record, UserError


def dataframe(records: Sequence[Record]) -> Any:
    """One line for each row and evaluation set. Raises UserError where pandas is not installed."""
    try:
        from pandas import DataFrame  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise UserError("a DataFrame needs pandas, which is not installed: pip install pandas") from error
    return DataFrame([_line(row, name) for row in rows_of(records) for name in row.accuracy])


def _line(row: Row, name: str) -> dict[str, Any]:
    bounds = row.bounds(name)
    return {
        **{key: value for key, value in row.as_json().items() if not isinstance(value, dict | list)},
        "set": name,
        "domain": row.domains[name],
        "examples": row.examples[name],
        "accuracy": bounds["mean"],
        "low": bounds["low"],
        "high": bounds["high"],
        "majority": row.majority.get(name),
        "mcc": row.mcc[name],
        "tied_with": ", ".join(row.tied_with),
    }
