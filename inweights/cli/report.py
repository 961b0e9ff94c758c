"""`inweights report`: what a study's records say, or the card of a learned context."""

import sys
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from inweights.types import UserError


def report(
    folder: Annotated[Path, Argument(help="A study's folder, or one that `inweights learn` wrote.")],
    format: Annotated[str, Option(help="terminal, markdown, csv, latex, json or html.")] = "terminal",
) -> None:
    """Print a table, and write every format and the page.

    Example: inweights report studies/rte --format json
    """
    from inweights import records
    from inweights.report import FORMATS, write_report
    from inweights.report.learn_report import CARD

    if (folder / CARD).is_file():
        return _learned(folder, format)
    if format not in (*FORMATS, "html"):
        raise UserError(f"there is no format {format!r}; there are {', '.join((*FORMATS, 'html'))}")
    found = records.read_folder(folder)
    if partial := records.progress(folder):
        print(f"note: {partial}", file=sys.stderr)
    if format in FORMATS:
        print(FORMATS[format](found), end="")
    if format in ("terminal", "html"):
        print(write_report(folder)["html"])
    return None


def _learned(folder: Path, format: str) -> None:
    from inweights.report.learn_report import CARD, read_card, terminal, write_learned_page

    if format not in ("terminal", "html"):
        raise UserError(f"{folder} is a learned context: --format is terminal or html; as JSON it is in {CARD}")
    path = write_learned_page(folder)
    if format == "terminal":
        print(terminal(read_card(folder)[1]))
    print(path)
