"""What rows were measured under: pattern, label words, examples, learning rates."""

from collections.abc import Sequence
from typing import cast

from inweights.report.row import Row
from inweights.types import Record


def conditions(rows: Sequence[Row]) -> list[str]:
    """A line for every task: what stands in no column, and decides the figures all the same."""
    return [_line(task, [row for row in rows if row.task == task]) for task in dict.fromkeys(row.task for row in rows)]


def _line(task: str, rows: Sequence[Row]) -> str:
    records = (record for row in rows for record in row.records if record.notes.get("pattern"))
    patterns = dict.fromkeys(sorted(map(_pattern, records)))
    limits = dict.fromkeys("all examples" if row.limit is None else f"{row.limit:,} examples of each set" for row in rows)
    rates = {row.name: rate for row in rows if (rate := _rates(row))}
    named = set(rates.values()) if len(rates) > 1 and len(set(rates.values())) == 1 else map(" ".join, rates.items())
    parts = [*patterns, " or ".join(limits), *(["learning rate " + ", ".join(named)] if rates else [])]
    return f"{task}: {'; '.join(parts)}"


def learning_rate(record: Record) -> float | None:
    """The peak rate of the run on its backbone, for whose width some schedules change it; None where nothing is trained."""
    found = record.notes.get("lr", record.settings.get("schedule.lr"))
    return None if found is None else float(str(found))


def pattern_name(record: Record) -> str:
    """Of the pattern that the run used: the one chosen on the shots where several were tried."""
    return str(record.notes.get("tuned_pattern", record.run.prompt))


def _rates(row: Row) -> str:
    """Such as `0.0016`; several where they were chosen on the shots."""
    found = dict.fromkeys(f"{rate:.3g}" for record in row.records if (rate := learning_rate(record)) is not None)
    return " or ".join(found)


def _pattern(record: Record) -> str:
    words = ", ".join(cast(Sequence[str], record.notes.get("label_words", ())))
    name = pattern_name(record)
    return " ".join(filter(None, ["pattern", name, repr(record.notes["pattern"])])) + f", label words {words}"
