"""All that could answer questions about a context in one table, with its accuracy, seconds and bytes as people read them."""

from typing import Any

from inweights.report.statistics import over_seeds

Measured = dict[str, Any]
"""What `inweights.context.evaluate` gives back: the `measured` of a context card."""
HEADS = ("system", "accuracy", "per query", "first token", "KV per request", "to learn", "artefact")


def legend(measured: Measured) -> str:
    return f"{measured['questions']} questions; right are {measured['right']}. Accuracy with Wilson's 95 % interval."


def cells(measured: Measured) -> list[list[str]]:
    """A line for each system, under HEADS."""
    lines = []
    for name, row in measured["systems"].items():
        interval = over_seeds([row["accuracy"]], measured["questions"])
        accuracy = f"{row['accuracy']:.3f} [{interval.low:.3f}, {interval.high:.3f}]"
        times = [duration(row["seconds"]), duration(row["first_token"])]
        learned = duration(row["adapt_seconds"]) if row["adapt_seconds"] else ""
        artefact = size(row["artifact_bytes"]) if row["artifact_bytes"] else ""
        lines.append([name, accuracy, *times, size(row["kv_bytes"]), learned, artefact])
    return lines


def duration(seconds: float) -> str:
    if seconds < 1:
        return f"{1e3 * seconds:.2f} ms"
    return f"{seconds:.1f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


def size(count: int) -> str:
    """Bytes in powers of 1,000."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}"
    return f"{count} B"
