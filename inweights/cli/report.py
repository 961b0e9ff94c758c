"""`inweights report`: the report of a study's records, or the card of a learned context."""

import json
import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from inweights.types import UserError


def report(
    folder: Annotated[Path, Argument(help="A study's folder, or one that `inweights learn` wrote.")],
    format: Annotated[
        str, Option(help="terminal, markdown, csv, latex, json, html, or jsonl: a line per example.")
    ] = "terminal",
) -> None:
    """Print a table, and write every format and the page.

    Example: inweights report studies/rte --format json
    """
    from inweights import records
    from inweights.cards import CONTEXT_CARD
    from inweights.report import FORMATS, write_report

    if (folder / CONTEXT_CARD).is_file():
        return _learned(folder, format)
    if format not in (*FORMATS, "html", "jsonl"):
        raise UserError(f"{format!r} is not a format: expected one of {', '.join((*FORMATS, 'html', 'jsonl'))}")
    if format == "jsonl":
        return _examples(folder)
    found = records.read_folder(folder)
    if partial := records.progress(folder):
        print(f"note: {partial}", file=sys.stderr)
    if format in FORMATS:
        print(FORMATS[format](found), end="")
    if format in ("terminal", "html"):
        print(write_report(folder)["html"])
    return None


def _examples(folder: Path) -> None:
    """A line per example. The data is read again, since a record has answers and no inputs."""
    from inweights.study.api import open_study

    for each in open_study(folder).answers():
        print(json.dumps(each, ensure_ascii=False))


def _learned(folder: Path, format: str) -> None:
    from inweights.cards import CONTEXT_CARD
    from inweights.report.learn_report import read_card, terminal, write_learned_page

    if format not in ("terminal", "html"):
        raise UserError(f"{folder} is a learned context: --format is terminal or html; as JSON it is in {CONTEXT_CARD}")
    path = write_learned_page(folder)
    if format == "terminal":
        print(terminal(read_card(folder)[1]))
    print(path)
