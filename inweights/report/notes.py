"""Notes on the rows: ties, inputs that were cut, seeds that shared passes, failures."""

from collections.abc import Sequence
from typing import Any

from inweights.report.conditions import conditions
from inweights.report.distillation import verdicts
from inweights.report.row import Row
from inweights.types import Record
from inweights.wording import counted


def score_name(rows: Sequence[Row]) -> str:
    """What is measured: accuracy of labels, or the metrics of free-form answers."""
    free_form = any(row.free_form for row in rows)
    return " or ".join(dict.fromkeys(row.metric for row in rows)) if free_form else "Accuracy"


def legend(rows: Sequence[Row]) -> str:
    """What the columns of the table mean; for a learned context only those that its questions suffice for."""
    free_form, few, score = any(row.free_form for row in rows), any(row.few for row in rows), score_name(rows)
    time = "one at a time" if free_form else "of many at once, the demonstrations encoded before"
    if few:
        most = max(sum(row.examples.values()) for row in rows)
        return (
            f"{score}: mean over {counted(most, 'question')}, too few for intervals, ties and pays after. ms/query: {time}."
        )
    return (
        f"{score}: mean [95 % interval over seeds (Student's t) and examples (Wilson)]. Tied: paired bootstrap over seeds "
        f"and examples, Holm, 5 %. ms/query: {time}. Pays after: queries from which adapting is cheaper than the best "
        "method that trains nothing, its prompt read again at every query (if kept: encoded once)."
    )


def tied_text(row: Row, rows: Sequence[Row]) -> str:
    """The methods that are tied with this one; if those are the majority, the ones that are not."""
    group = [r.name for r in rows if r.beside == row.beside and r.name != row.name and not r.oracle]
    apart = [name for name in group if name not in row.tied_with]
    if len(group) < 4 or len(apart) >= len(row.tied_with):
        return ", ".join(row.tied_with)
    return f"all but {', '.join(apart)}" if apart else "all others"


def fallback_notes(rows: Sequence[Row]) -> list[str]:
    """A line for every row and set with examples that were too long to be read whole."""
    return [
        f"{row.task} {row.name} {row.shots} shots: {count:,} of {row.examples[name]:,} of {name} too long for the model's "
        f"context window, {what}"
        for row in rows
        for name, counts in row.fallbacks.items()
        for what, count in counts.items()
    ]


def stacking_note(rows: Sequence[Row]) -> str:
    """Which methods' seeds trained together, in a sentence; "" where none did."""
    names = sorted({row.method for row in rows if row.stacked > 1})
    if not names:
        return ""
    most = max(row.stacked for row in rows)
    which = ", ".join(names)
    return (
        f"{which}: up to {most} seeds trained in one pass; adapt s is one's share, peak MB that of all (--isolated: alone)"
    )


BUSY = 0.5
"""Number of busy cores of other processes from which a note says that seconds depend on them."""


def others_cores(record: Record) -> float:
    """Cores that other processes kept busy while a run was measured: of the phase with most."""
    phases = [cost.others_cores for cost in (record.adapt, record.predict) if cost]
    return max((each for each in phases if each is not None), default=0.0)


def busy_note(rows: Sequence[Row]) -> str:
    """A sentence on how many cores other processes used; "" if they used none."""
    disturbed = [row.others_cores for row in rows if row.others_cores >= BUSY]
    if not disturbed:
        return ""
    return (
        f"busy machine: other processes kept up to {max(disturbed):.1f} cores busy while {len(disturbed)} of "
        f"{counted(len(rows), 'row')} were measured; seconds, and what pays after, depend on it"
    )


def slow_paths(rows: Sequence[Row]) -> list[str]:
    """A line for every model that cannot share a prefix between prompts."""
    found = dict.fromkeys((row.model, row.slow_path) for row in rows if row.slow_path)
    return [f"{model}: {how}; seconds, memory and what pays after are those of this slow path" for model, how in found]


def remarks(rows: Sequence[Row]) -> list[str]:
    """All notes on the table, one line each."""
    single = [each for each in (stacking_note(rows), busy_note(rows)) if each]
    return [*conditions(rows), *single, *slow_paths(rows), *verdicts(rows), *fallback_notes(rows)]


def failures(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {
            "task": r.run.task, "model": str(r.run.weights), "method": r.run.method, "shots": r.run.shots,
            "seed": r.run.seed, "status": r.status, "reason": r.reason,
        }
        for r in records
        if r.status != "ok"
    ]  # fmt: skip
