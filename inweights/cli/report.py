"""`inweights report`: what a study's records say."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from inweights.types import UserError


def report(
    folder: Annotated[Path, Argument(help="A study's folder.")],
    format: Annotated[str, Option(help="terminal, markdown, csv, latex, json or html.")] = "terminal",
) -> None:
    """Print a study's table, or write every format and the page.

    Example: inweights report studies/rte --format json
    """
    from inweights import records
    from inweights.report import FORMATS, write_report

    if format not in (*FORMATS, "html"):
        raise UserError(f"there is no format {format!r}; there are {', '.join((*FORMATS, 'html'))}")
    found = records.read_folder(folder)
    if format in FORMATS:
        print(FORMATS[format](found), end="")
    if format in ("terminal", "html"):
        print(write_report(folder)["html"])
