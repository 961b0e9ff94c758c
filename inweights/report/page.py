"""The page: one self-contained file, offline, with pictures; all data in it as JSON, drawn by assets/page.js."""

import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from inweights.report.best import choose
from inweights.report.rows import Row, failures, rows_of, tied_text, told_fallbacks, told_stacks
from inweights.report.statistics import front
from inweights.types import NothingFitsError, Record, UserError


def page(records: Sequence[Record]) -> str:
    """The HTML text. Nothing in it asks for anything outside it."""
    from jinja2 import Environment
    from plotly.offline import get_plotlyjs

    rows = rows_of(records)
    assets = files("inweights.report") / "assets"
    template = Environment(autoescape=True).from_string((assets / "page.html.j2").read_text(encoding="utf-8"))
    return template.render(
        style=(assets / "page.css").read_text(encoding="utf-8"),
        script=(assets / "page.js").read_text(encoding="utf-8"),
        plotly=get_plotlyjs(),
        data=_in_script(_data(rows)),
        headlines=headlines(records),
        environment=_environment(records),
        failed=failures(records),
        fallbacks=told_fallbacks(rows),
        stacks=told_stacks(rows),
        runs=len(records),
    )


def headlines(records: Sequence[Record]) -> list[str]:
    """One sentence for every task: what wins, what ties with it, when it pays."""
    found = []
    for task in dict.fromkeys(record.run.task for record in records):
        try:
            choice = choose([record for record in records if record.run.task == task])
        except (UserError, NothingFitsError) as error:
            found.append(f"{task}: {error}")
            continue
        tied = [row.method for row in choice.tied]
        shown = ", ".join(tied[:4]) + (f" and {len(tied) - 4} more" if len(tied) > 4 else "")
        found.append(f"{task}: {choice.why}." + (f" Tied with {shown}." if tied else " Nothing ties with it."))
    return found


def _data(rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "rows": [{**row.as_json(), **_drawn(row), "tied": tied_text(row, rows)} for row in rows],
        "fronts": _fronts(rows),
    }


def _drawn(row: Row) -> dict[str, Any]:
    return {
        "labels": row.labels,
        "confusion": row.confusion,
        "in_domain": row.mean_over("in-domain"),
        "ood": row.mean_over("out-of-domain"),
    }


def _fronts(rows: Sequence[Row]) -> dict[str, dict[str, list[str]]]:
    """For each task, model and shots the methods that no other beats on both cost and in-domain accuracy."""
    found: dict[str, dict[str, list[str]]] = {}
    for key in dict.fromkeys((row.task, row.model, row.shots) for row in rows):
        group = [row for row in rows if (row.task, row.model, row.shots) == key]
        found["|".join(map(str, key))] = {
            "seconds": front({r.method: (r.adapt_seconds, r.mean_over("in-domain") or 0.0) for r in group}),
            "memory": front({r.method: (float(r.peak_bytes), r.mean_over("in-domain") or 0.0) for r in group}),
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


def _in_script(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c").replace("\u2028", "\\u2028")
