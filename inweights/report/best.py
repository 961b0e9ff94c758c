"""The choice of a method: the most accurate one within the user's limits, and those that are not significantly worse."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import mean, median_low
from typing import Literal

from inweights.report.comparison import ties
from inweights.report.row import Row
from inweights.report.rows import rows_of
from inweights.report.statistics import accuracy
from inweights.report.wanted import ANY, Wanted, no_such
from inweights.types import NothingFitsError, Record, UserError
from inweights.wording import counted

Objective = Literal["in-domain", "ood", "worst"]
DOMAINS = {"in-domain": "in-domain", "ood": "out-of-domain", "worst": ""}
"""The domain of the sets that an objective is about; "": all sets."""


@dataclass(frozen=True)
class Limits:
    memory_bytes: float | None = None
    latency_seconds: float | None = None
    """Median of one query at a time."""
    adapt_seconds: float | None = None


@dataclass(frozen=True)
class Choice:
    row: Row
    why: str
    tied: tuple[Row, ...]
    excluded: tuple[str, ...]
    """Method and the limits it breaks, one line each."""
    record: Record
    """Of the seed with the median accuracy, unless a seed is given: neither the luckiest nor the unluckiest draw."""


def choose(
    records: Sequence[Record], objective: Objective = "in-domain", limits: Limits = Limits(), wanted: Wanted = ANY
) -> Choice:
    """The best of the runs that are wanted. Raises UserError where there is none, where they are of several tasks or have
    no such sets, NothingFitsError where no row keeps within the limits."""
    rows = [row for row in rows_of(records) if not row.oracle]
    if not rows:
        raise UserError("the study has no run that ended well: see `inweights report`")
    meant = {id(row): [each for each in row.records if each.run in _of_row(wanted, row)] for row in rows}
    asked = [row for row in rows if meant[id(row)]]
    runs = [record.run for row in rows for record in row.records]
    if not asked or not (wanted.method or wanted.drawn_in(runs)):
        raise no_such(wanted, runs, "run that ended well")
    tasks = sorted({row.task for row in asked})
    if len(tasks) > 1:
        raise UserError(f"the study has several tasks: choose one with --task ({', '.join(tasks)})")
    if all(score(row, objective) is None for row in asked):
        raise UserError(f"the study has no {DOMAINS[objective]} set: take --objective worst")
    # A method that failed on other draws must not win by its luckiest one; a method that is named has been chosen already.
    most = 0 if wanted.method else max(len(row.seeds) for row in asked)
    broken = {id(row): _broken(row, limits, most) for row in asked}
    fitting = [row for row in asked if not broken[id(row)]]
    excluded = tuple(f"{row.name} ({row.shots} shots): {', '.join(b)}" for row in asked if (b := broken[id(row)]))
    if not fitting:
        raise NothingFitsError("no method keeps within the limits: " + "; ".join(excluded))
    best = max(fitting, key=lambda row: (score(row, objective) or 0.0, -row.seconds_per_query))
    # The same comparisons as in the table, since significance must not depend on the limits.
    tied = () if best.few else tuple(row for row in ties(best, rows, DOMAINS[objective]) if row in fitting)
    return Choice(best, _why(best, objective, tied), tied, excluded, _median_record(meant[id(best)], objective))


def _of_row(wanted: Wanted, row: Row) -> Wanted:
    """The criteria without the method, where it is named as the table names the row: with the settings that differ."""
    return replace(wanted, method=None) if wanted.method == row.method else wanted


def score(row: Row, objective: Objective) -> float | None:
    """Mean accuracy over the sets the objective names; `worst`: of the lowest set. None where there is no such set."""
    if objective == "worst":
        return min(interval.mean for interval in row.accuracy.values())
    return row.mean_over(DOMAINS[objective])


def _median_record(records: Sequence[Record], objective: Objective) -> Record:
    def of(record: Record) -> float:
        values = [
            accuracy(o) for o in record.outcomes.values() if objective == "worst" or o.domain == DOMAINS[objective]
        ] or [accuracy(o) for o in record.outcomes.values()]
        return min(values) if objective == "worst" else mean(values)

    middle = median_low(map(of, records))
    return next(record for record in records if of(record) == middle)


def _broken(row: Row, limits: Limits, seeds: int) -> list[str]:
    found = []
    if len(row.seeds) < seeds and not row.once:
        found.append(f"{len(row.seeds)} of {seeds} seeds ended well")
    if limits.memory_bytes is not None and row.memory_bytes > limits.memory_bytes:
        found.append(f"{row.memory_bytes / 1e6:.0f} MB of memory with the model, over {limits.memory_bytes / 1e6:.0f} MB")
    latency = row.seconds_per_query if row.latency_seconds is None else row.latency_seconds
    if limits.latency_seconds is not None and latency > limits.latency_seconds:
        found.append(f"{1e3 * latency:.2f} ms per query over {1e3 * limits.latency_seconds:.2f} ms")
    if limits.adapt_seconds is not None and row.adapt_seconds > limits.adapt_seconds:
        found.append(f"adapting takes {row.adapt_seconds:.1f} s, over {limits.adapt_seconds:.1f} s")
    return found


def _why(row: Row, objective: Objective, tied: Sequence[Row]) -> str:
    reached = score(row, objective) or 0.0
    text = f"{row.name} at {row.shots} shots: {objective} accuracy {reached:.3f} over {counted(len(row.seeds), 'seed')}"
    if row.free_form:
        text = f"{row.name}: {row.metric} {reached:.3f} over {counted(sum(row.examples.values()), 'question')}"
    if row.break_even_queries is not None:
        text += f"; pays after {row.pays} against {row.rival}"
    cheaper = [each.name for each in tied if each.seconds_per_query < row.seconds_per_query]
    if cheaper:
        text += f"; {', '.join(cheaper)} cannot be told from it and {'are' if len(cheaper) > 1 else 'is'} cheaper per query"
    return text


_BYTES = {"b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12, "kib": 2**10, "mib": 2**20, "gib": 2**30}
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600}


def parse_bytes(text: str) -> float:
    """`8GB`, `512MiB`. Raises UserError."""
    return _parsed(text, _BYTES, "8GB or 512MB")


def parse_seconds(text: str) -> float:
    """`50ms`, `2min`. Raises UserError."""
    return _parsed(text, _SECONDS, "50ms, 30s or 2min")


def _parsed(text: str, units: dict[str, float], such_as: str) -> float:
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([a-zA-Z]+)\s*", text)
    if match is None or match[2].lower() not in units:
        raise UserError(f"{text!r} is not an amount: expected a number and a unit, such as {such_as}")
    return float(match[1]) * units[match[2].lower()]
