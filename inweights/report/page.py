"""The page of a study: the best methods, their costs, and ties; drawn by assets/page.js."""

from collections.abc import Sequence
from typing import Any

from inweights.report.best import choose
from inweights.report.html import rendered
from inweights.report.notes import failures, legend, remarks, score_name, tied_text
from inweights.report.row import Row
from inweights.report.rows import rows_of, with_distillation
from inweights.report.statistics import front
from inweights.types import NothingFitsError, Record, UserError


def page(records: Sequence[Record], partial: str = "") -> str:
    """The HTML text, which loads nothing from elsewhere. `partial`: how much of the study is done, if not all."""
    rows = rows_of(records)
    parts = {
        "headlines": headlines(records),
        "environment": _environment(records),
        "failed": failures(records),
        "remarks": remarks(rows),
        "legend": legend(rows),
        "runs": len(records),
        "score": score_name(rows),
        "partial": partial,
    }
    return rendered("page", _data(rows), parts)


def headlines(records: Sequence[Record]) -> list[str]:
    """One sentence for every task: the best method, its ties, and when it pays."""
    found = []
    for task in dict.fromkeys(record.run.task for record in records):
        try:
            choice = choose([record for record in records if record.run.task == task])
        except (UserError, NothingFitsError) as error:
            found.append(f"{task}: {error}")
            continue
        tied = [row.name for row in choice.tied]
        shown = ", ".join(tied[:4]) + (f" and {len(tied) - 4} more" if len(tied) > 4 else "")
        ending = f" Tied with {shown}." if tied else " Nothing ties with it."
        if choice.row.few:
            ending = " Too few questions for intervals, ties and break-even points."
        found.append(f"{task}: {choice.why}.{ending}")
    return found


def _data(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "rows": [{**with_distillation(row, rows), **_drawn(row), "tied": tied_text(row, rows)} for row in rows],
        "fronts": _fronts(rows),
        "score": score_name(rows).lower(),
    }


def _drawn(row: Row) -> dict[str, Any]:
    return {
        "labels": row.labels,
        "confusion": row.confusion,
        "in_domain": row.mean_over("in-domain"),
        "ood": row.mean_over("out-of-domain"),
    }


def _fronts(rows: Sequence[Row]) -> dict[str, dict[str, list[str]]]:
    """For each task, model and number of shots the Pareto front of cost and in-domain accuracy."""
    found: dict[str, dict[str, list[str]]] = {}
    for key in dict.fromkeys((row.task, row.model, row.shots) for row in rows):
        group = [row for row in rows if (row.task, row.model, row.shots) == key]
        found["|".join(map(str, key))] = {
            "seconds": front({r.name: (r.adapt_seconds, r.mean_over("in-domain") or 0.0) for r in group}),
            "memory": front({r.name: (float(r.peak_bytes), r.mean_over("in-domain") or 0.0) for r in group}),
        }
    return found


def _environment(records: Sequence[Record]) -> list[tuple[str, str]]:
    seen: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.environment.items():
            seen.setdefault(name, set()).add(value)
        for cost in (record.adapt, record.predict):
            if cost:
                seen.setdefault("memory measured by", set()).add(cost.meter)
    return [(name, ", ".join(sorted(values))) for name, values in seen.items()]
