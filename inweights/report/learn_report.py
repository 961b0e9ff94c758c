"""The report of a learned context for its user: some lines for a terminal, or the page."""

import io
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from inweights import cards
from inweights.cards import CONTEXT_CARD, PAGE
from inweights.learn_records import AGAIN, FORMAT, LearnReport
from inweights.records import write_whole
from inweights.report.learn_page import page
from inweights.report.learn_scores import samples
from inweights.report.learn_summary import alarm, damage, others, shares, verdict
from inweights.report.learn_table import cells, heads, legend
from inweights.restored import restored
from inweights.types import UserError

SHOWN = 5
"""Sample answers in a terminal."""
WIDTH = 160
"""Characters of a text in a sample."""


def terminal(report: LearnReport) -> str:
    """What each form has recovered and damaged, all that can answer in one table, sample answers, and a verdict."""
    lines = others(report)
    for form, found in report.forms.items():
        lines.append(f"{form}, recovered of what the context adds:")
        lines += [f"  {name}: {value}" for name, value in shares(found).items()]
        lines.append(f"  collateral damage: {damage(found)}")
        lines += [f"  {alarm(found)}"] * found.parts
    if report.systems:
        lines += ["", *_table(report), legend(report), ""]
    for form in report.forms:
        lines += _samples(form, report)
    lines += [f"{form}: {verdict(form, report)}" for form in report.forms]
    return "\n".join(lines)


def _table(report: LearnReport) -> list[str]:
    from rich.console import Console
    from rich.table import Table

    out = io.StringIO()
    table = Table(box=None, pad_edge=False)
    for head in heads(report):
        table.add_column(head, justify="left" if head == "system" else "right")
    for line in cells(report):
        table.add_row(*(value.replace("[", r"\[") for value in line))
    Console(file=out, width=max(150, Console().width), color_system=None, highlight=False).print(table)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def _samples(form: str, report: LearnReport) -> list[str]:
    found = samples(form, report, SHOWN)
    lines = (
        [f"{form}: {len(found)} of {report.questions} answers (all are in {CONTEXT_CARD} and on the page)"] if found else []
    )
    for each in found:
        sides = {"gold": each.gold, "teacher": each.teacher, "student": each.student, "alone": each.alone}
        lines += [f"  {_short(each.question)}", *(f"    {name:8} {_short(text)}" for name, text in sides.items())]
    return [*lines, ""] if lines else []


def _short(text: str) -> str:
    one = " ".join(text.split())
    return one if len(one) <= WIDTH else one[: WIDTH - 3] + "..."


def read_card(folder: Path) -> tuple[Mapping[str, Any], LearnReport]:
    """The values of a context card, and the report among them. Raises UserError where it cannot be read."""

    def parsed(values: dict[str, Any]) -> tuple[Mapping[str, Any], LearnReport]:
        return values, restored(LearnReport, values["report"])

    # An infinity or nan has no place in JSON, nor in a page's data: undefined.
    return cards.read_card(
        folder / CONTEXT_CARD, FORMAT, parsed, AGAIN, partial(json.loads, parse_constant=lambda name: None)
    )


def write_learned_page(folder: Path) -> str:
    """Write FOLDER/page.html from the folder's card; its path. Raises UserError where the card is broken."""
    card, report = read_card(folder)
    try:
        text = page(card, report)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{folder / CONTEXT_CARD} cannot be read ({type(error).__name__}: {error}): {AGAIN}") from error
    try:
        write_whole(folder / PAGE, text)
    except OSError as error:
        raise UserError(f"the page cannot be written to {folder}: {error.strerror}") from error
    return str(folder / PAGE)
