"""The parts of a row that need other rows: the methods it ties with, and after how many queries it pays."""

from collections.abc import Sequence
from dataclasses import replace

from inweights.report.row import Row
from inweights.report.statistics import Scores, break_even, holm, paired_p
from inweights.types import Record


def compared(row: Row, rows: Sequence[Row]) -> Row:
    """The row with its ties, and its break-even points against the best method that trains nothing."""
    if row.few:
        return row
    tied = [] if row.oracle else [other.name for other in ties(row, rows, "in-domain")]
    row = replace(row, tied_with=tuple(sorted(tied)))
    if not row.trained_parameters or row.oracle:
        return row
    rival, reason = _rival([r for r in rows if r.beside == row.beside and not r.oracle])
    if rival is None:
        return replace(row, no_rival=reason)
    again = rival.seconds_per_query + rival.prepare_seconds
    return replace(
        row,
        rival=rival.name,
        break_even_queries=break_even(row.adapt_seconds, row.seconds_per_query, rival.adapt_seconds, again),
        break_even_kept_queries=break_even(
            row.adapt_seconds,
            row.seconds_per_query,
            rival.adapt_seconds + rival.prepare_seconds,
            rival.seconds_per_query,
        ),
    )


def _rival(beside: Sequence[Row]) -> tuple[Row | None, str]:
    """The most accurate method with demonstrations, or the reason why none is compared.

    A prompt that answers worse than no prompt, or than the commonest label, is not what anybody would pay for.
    """
    still = [row for row in beside if not row.trained_parameters]
    plain = [row for row in still if row.once or row.shown == 0 or row.method.startswith("zero-shot")]
    prompted = [row for row in still if row not in plain]
    if not prompted:
        return None, ""
    best = max(prompted, key=in_domain)
    if in_domain(best) < _majority(best):
        return None, f"{best.name} is below the majority"
    better = [row.name for row in plain if in_domain(row) > in_domain(best)]
    return (None, f"{best.name} is below {better[0]}") if better else (best, "")


def in_domain(row: Row) -> float:
    """Mean accuracy over the in-domain sets, or over all sets if there are none."""
    found = row.mean_over("in-domain")
    return sum(each.mean for each in row.accuracy.values()) / len(row.accuracy) if found is None else found


def _majority(row: Row) -> float:
    names = [name for name, domain in row.domains.items() if domain == "in-domain"] or list(row.domains)
    return sum(row.majority.get(name, 0.0) for name in names) / len(names)


def ties(row: Row, rows: Sequence[Row], domain: str) -> list[Row]:
    """The rows that do not differ significantly from it in a paired test on the sets of that domain (Holm, 5 %)."""
    beside = [r for r in rows if r.beside == row.beside and r is not row and not r.oracle and r.examples == row.examples]
    tested = {r.name: p for r in beside if (p := p_value(row, r, domain)) is not None}
    kept = {name for name, p in holm(tested).items() if p >= 0.05}
    return [r for r in beside if r.name in kept]


def p_value(row: Row, other: Row, domain: str) -> float | None:
    """The p-value of a paired test on the sets of that domain; None where the two rows share no draw."""
    one, two = scores_by_seed([row, other], domain)
    return paired_p(one, two)


def scores_by_seed(rows: Sequence[Row], domain: str) -> list[Scores]:
    """The scores of each row on the sets of that domain, or on all sets if there are none.

    What no draw changes would have had the same scores with every seed of the others.
    """
    found = [{record.run.seed: _scores(record, domain) for record in row.records} for row in rows]
    drawn = [seed for row, scores in zip(rows, found, strict=True) if not row.once for seed in scores]
    return [
        dict.fromkeys(drawn, next(iter(scores.values()))) if row.once and drawn else scores
        for row, scores in zip(rows, found, strict=True)
    ]


def _scores(record: Record, domain: str) -> list[float]:
    sets = [o for o in record.outcomes.values() if o.domain == domain] or list(record.outcomes.values())
    return [score for outcome in sets for score in outcome.scores]
