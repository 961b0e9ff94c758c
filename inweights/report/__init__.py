"""Pure functions of records: rows, tables, the page, the choice of a method. They need no model."""

from pathlib import Path

from inweights import records as stored
from inweights.report.best import Choice, Limits, choose, parse_bytes, parse_seconds
from inweights.report.row import Row
from inweights.report.rows import as_json, rows_of
from inweights.report.tables import FORMATS, csv_text, json_text, latex, markdown, terminal
from inweights.report.wanted import Wanted
from inweights.types import UserError

FILES = {"markdown": "table.md", "csv": "table.csv", "latex": "table.tex", "json": "report.json"}


def write_report(study: Path) -> dict[str, Path]:
    """Write every format to STUDY/report, each file whole or not at all; returns their paths, the page's as `html`."""
    from inweights.report.page import page

    found = stored.read_folder(study)
    folder = study / "report"
    texts = {name: FORMATS[name](found) for name in FILES} | {"html": page(found, stored.progress(study))}
    paths = {name: folder / {**FILES, "html": "page.html"}[name] for name in texts}
    try:
        folder.mkdir(exist_ok=True)
        for name, text in texts.items():
            stored.write_whole(paths[name], text)
    except OSError as error:
        raise UserError(f"the report cannot be written to {folder}: {error.strerror}") from error
    return paths


__all__ = [
    "FORMATS", "Choice", "Limits", "Row", "Wanted", "as_json", "choose", "csv_text", "json_text", "latex", "markdown",
    "parse_bytes", "parse_seconds", "rows_of", "terminal", "write_report",
]  # fmt: skip
