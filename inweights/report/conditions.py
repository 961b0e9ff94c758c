"""What rows were measured under: pattern, label words, examples, learning rates."""

from collections.abc import Sequence

from inweights.report.row import Row


def conditions(rows: Sequence[Row]) -> list[str]:
    """A line for every task: what stands in no column, and decides the figures all the same."""
    return [_line(task, [row for row in rows if row.task == task]) for task in dict.fromkeys(row.task for row in rows)]


def _line(task: str, rows: Sequence[Row]) -> str:
    patterns = dict.fromkeys(_pattern(row) for row in rows if row.pattern)
    limits = dict.fromkeys("all examples" if row.limit is None else f"{row.limit:,} examples of each set" for row in rows)
    rates = dict.fromkeys(f"{row.method} {row.learning_rate:.3g}" for row in rows if row.learning_rate is not None)
    parts = [*patterns, " or ".join(limits), *(["learning rate " + ", ".join(rates)] if rates else [])]
    return f"{task}: {'; '.join(parts)}"


def _pattern(row: Row) -> str:
    name = f"pattern {row.records[0].run.prompt} " if row.records[0].run.prompt else "pattern "
    return f"{name}{row.pattern!r}, label words {', '.join(row.label_words)}"
