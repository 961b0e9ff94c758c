"""What came of learning a context, told to its user: a few lines for a terminal, or the page."""

import io
import json
from pathlib import Path
from typing import Any

from inweights.records import write_whole
from inweights.report.learn_page import page
from inweights.report.learn_summary import damage, shares, verdict
from inweights.report.learn_table import HEADS, Measured, cells, legend
from inweights.types import UserError

CARD = "context_card.json"
PAGE = "page.html"


def terminal(measured: Measured) -> str:
    """What each form has recovered and lost, all that could answer in one table, and a verdict."""
    from rich.console import Console
    from rich.table import Table

    lines = []
    for form, found in measured["learnt"].items():
        lines.append(f"{form}, recovered of what the context adds:")
        lines += [f"  {name}: {value}" for name, value in shares(found).items()]
        lines.append(f"  collateral damage: {damage(found)}")
    if measured["systems"]:
        out = io.StringIO()
        table = Table(box=None, pad_edge=False)
        for head in HEADS:
            table.add_column(head, justify="left" if head == "system" else "right")
        for line in cells(measured):
            table.add_row(*(value.replace("[", r"\[") for value in line))
        Console(file=out, width=max(120, Console().width), color_system=None, highlight=False).print(table)
        lines += ["", *(line.rstrip() for line in out.getvalue().splitlines()), legend(measured), ""]
    for form in measured["learnt"]:
        lines.append(f"{form}: {verdict(form, measured)}")
    return "\n".join(lines)


def read_card(folder: Path) -> dict[str, Any]:
    """The values of a context card. Raises UserError where it cannot be read."""
    path = folder / CARD
    try:
        # An infinity or nan has no place in JSON, nor in a page's data: undefined.
        card = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: None)
        if not isinstance(card, dict) or not isinstance(card["measured"], dict):
            raise TypeError("no card of a learnt context")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, error) from error
    return card


def write_learnt_page(folder: Path) -> str:
    """Write FOLDER/page.html from the folder's card; its path. Raises UserError where the card is broken."""
    card = read_card(folder)
    try:
        text = page(card)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _broken(folder / CARD, error) from error
    try:
        write_whole(folder / PAGE, text)
    except OSError as error:
        raise UserError(f"the page cannot be written to {folder}: {error.strerror}") from error
    return str(folder / PAGE)


def _broken(path: Path, error: Exception) -> UserError:
    return UserError(f"{path} cannot be read ({type(error).__name__}: {error}): learn it again")
