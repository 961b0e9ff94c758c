"""The rows as text for a terminal, Markdown, CSV and LaTeX."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from inweights.report.comparison import in_domain
from inweights.report.notes import failures, legend, remarks, tied_text
from inweights.report.row import Row
from inweights.report.rows import as_json, rows_of
from inweights.types import Record

if TYPE_CHECKING:
    from rich.console import Console

SEVERAL_LINES = ("method", "pattern", "trained", "pays after")
"""Columns that may take several lines on a terminal, between words; accuracies may after the interval, others never."""


def cells(rows: Sequence[Row], interval: str = "{:.3f} [{:.3f}, {:.3f}]") -> tuple[list[str], list[list[str]]]:
    """Head and lines of the table of all formats: for each task and number of shots the majority baseline, then methods."""
    sets = list(dict.fromkeys(name for row in rows for name in row.accuracy))
    models = {row.model for row in rows}
    patterns = any(row.several_patterns for row in rows)
    heads = ["task", *(["model"] if len(models) > 1 else []), "shots", "method", *(["pattern"] if patterns else []), *sets]
    heads += ["seeds", "adapt s", "ms/query", "peak MB", "trained", "pays after", "tied with"]
    lines: list[list[str]] = []
    group = None
    for row in rows:
        front = [row.task, *([_short(row.model)] if len(models) > 1 else []), str(row.shots)]
        if group != (row.task, row.model, row.shots):
            group = (row.task, row.model, row.shots)
            base = [f"{row.majority[name]:.3f}" if name in row.majority else "" for name in sets]
            if any(base):
                lines.append([*front, "majority", *([""] if patterns else []), *base, *[""] * 7])
        accuracies = [_accuracy(row, name, interval) for name in sets]
        tail = [str(len(row.seeds)), f"{row.adapt_seconds:.2f}", f"{1e3 * row.seconds_per_query:.2f}"]
        tail += [f"{row.peak_bytes / 1e6:.0f}", _trained(row), row.pays, tied_text(row, rows)]
        lines.append([*front, row.method, *([row.prompt] if patterns else []), *accuracies, *tail])
    return heads, lines


def _trained(row: Row) -> str:
    flag = f" (did not train in {row.did_not_train}/{len(row.seeds)})" if row.did_not_train else ""
    return f"{row.trained_parameters:,}{flag}"


def _accuracy(row: Row, name: str, shape: str) -> str:
    """Mean and 95 % interval, MCC if it is the task's metric, and a flag if every answer was the same."""
    if name not in row.accuracy:
        return ""
    interval = row.accuracy[name]
    text = f"{interval.mean:.3f}" if row.few else shape.format(interval.mean, interval.low, interval.high)
    if row.metric == "mcc":
        text += f" mcc {row.mcc[name]:.3f}"
    if row.constant[name]:
        text += f" constant in {row.constant[name]}/{len(row.seeds)}"
    return text


def _short(model: str) -> str:
    return Path(model).name if Path(model).is_absolute() else model


def markdown(records: Sequence[Record]) -> str:
    rows = rows_of(records)
    heads, lines = cells(rows)

    def line(values: Sequence[str]) -> str:
        return "| " + " | ".join(value.replace("|", "\\|").replace("\n", " ") for value in values) + " |"

    table = [line(heads), line(["---"] * len(heads)), *map(line, lines)]
    failed = [f"- {_failure(each)}" for each in failures(records)]
    parts = [*table, "", legend(rows), "", *(f"- {each}" for each in remarks(rows))]
    return "\n".join([*parts, *(["", "Failed:", *failed] if failed else [])]) + "\n"


def csv_text(records: Sequence[Record]) -> str:
    """One line per row and evaluation set, numbers as numbers."""
    out = io.StringIO()
    heads = (
        "task model method pattern shots seeds set domain examples mean low high majority mcc constant_seeds adapt_seconds"
    )
    heads += " seconds_per_query peak_bytes trained_parameters artifact_bytes break_even_queries tied_with"
    writer = csv.writer(out)
    writer.writerow(heads.split())
    for row in rows_of(records):
        for name in row.accuracy:
            writer.writerow([
                row.task, row.model, row.method, row.prompt, row.shots, len(row.seeds), name, row.domains[name],
                row.examples[name], *row.bounds(name).values(), row.majority.get(name, ""), row.mcc[name],
                row.constant[name], row.adapt_seconds, row.seconds_per_query, row.peak_bytes, row.trained_parameters,
                row.artifact_bytes, row.break_even_queries, " ".join(row.tied_with),
            ])  # fmt: skip
    return out.getvalue()


def latex(records: Sequence[Record]) -> str:
    """A booktabs table."""
    rows = rows_of(records)
    heads, lines = cells(rows)
    columns = "l" * len(heads)
    body = [" & ".join(map(_tex, line)) + r" \\" for line in lines]
    head = " & ".join(map(_tex, heads)) + r" \\"
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *body]
    return "\n".join([*parts, r"\bottomrule", r"\end{tabular}", f"% {legend(rows)}"]) + "\n"


def json_text(records: Sequence[Record]) -> str:
    return json.dumps(as_json(records), ensure_ascii=False, indent=1) + "\n"


def terminal(records: Sequence[Record], width: int | None = None) -> str:
    """The tables for a terminal, one per task: a line for each row if there is room, ties of the best below."""
    from rich.console import Console

    out = io.StringIO()
    console = Console(file=out, width=width or max(120, Console().width), color_system=None, highlight=False)
    rows = rows_of(records)
    for task in dict.fromkeys(row.task for row in rows):
        _print_table(console, task, [row for row in rows if row.task == task])
    console.print(legend(rows), markup=False)
    for each in failures(records):
        console.print("failed: " + _failure(each), markup=False)
    for remark in remarks(rows):
        console.print(remark, markup=False)
    return out.getvalue()


def _print_table(console: "Console", task: str, rows: Sequence[Row]) -> None:
    from rich.measure import Measurement
    from rich.table import Table

    heads, lines = cells(rows, "{:.3f} [{:.2f}, {:.2f}]")
    sets = {name for row in rows for name in row.accuracy}
    table = Table(title=task, title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0))
    for column, head in enumerate(heads[1:-1], start=1):
        longest = max(len(word) for line in [heads, *lines] for word in [*line[column].split(), ""])
        least = len("0.875 [0.52, 1.00]") if head in sets else longest
        table.add_column(head, overflow="fold", no_wrap=head not in (*SEVERAL_LINES, *sets), min_width=least)
    for line in lines:
        table.add_row(*(value.replace("[", r"\[") for value in line[1:-1]))
    # Wider than the terminal rather than cut.
    needed = Measurement.get(console, console.options, table).minimum
    console.print(table, width=max(console.width, needed), crop=False, soft_wrap=needed > console.width)
    console.print("\n".join([*_ties_of_the_best(rows), ""]), markup=False)


def _ties_of_the_best(rows: Sequence[Row]) -> list[str]:
    """A line for each group of rows that can be compared."""
    lines = []
    for beside in dict.fromkeys(row.beside for row in rows):
        group = [row for row in rows if row.beside == beside and not row.oracle]
        best = max(group, key=in_domain, default=None)
        if best and len(group) > 1 and not best.few:
            model = f", {_short(best.model)}" if len({row.model for row in rows}) > 1 else ""
            lines.append(
                f"{best.shots} shots{model}: {best.name} is best in domain; tied with {tied_text(best, rows) or 'none'}"
            )
    return lines


def _failure(each: dict[str, object]) -> str:
    return "{task} {method} {shots} shots seed {seed}: {status}, {reason}".format_map(each)


_TEX = {"&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}"}
_TEX |= {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}", "<": r"\textless{}"}
_TEX |= {">": r"\textgreater{}"}


def _tex(text: str) -> str:
    return "".join(_TEX.get(character, character) for character in text)


FORMATS: dict[str, Callable[[Sequence[Record]], str]] = {
    "terminal": terminal,
    "markdown": markdown,
    "csv": csv_text,
    "latex": latex,
    "json": json_text,
}
