"""What a study measured, as parts of a model card: results in and out of domain, cost, the hub's own form of them."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from inweights.exports.model_card import table
from inweights.report.statistics import accuracy, majority
from inweights.types import Record
from inweights.wording import counted


def results(record: Record, seeds: Sequence[Record]) -> str:
    count = len(seeds)
    rows = []
    for name, outcome in record.outcomes.items():
        over_seeds = mean(accuracy(each.outcomes[name]) for each in seeds if name in each.outcomes)
        figures = (accuracy(outcome), over_seeds, majority(outcome))
        rows.append([name, outcome.domain, len(outcome.gold), *(f"{each:.3f}" for each in figures)])
    head = ["set", "domain", "examples", "this export", f"mean of {count}", "always the commonest label"]
    return (
        f"## Results\nAccuracy of this export (seed {record.run.seed}), and the mean over the study's "
        f"{counted(count, 'seed')}, {record.run.shots} shots each.\n\n{table(head, rows)}"
    )


def cost(record: Record) -> str:
    lines = ["## Cost"]
    for phase, spent in (("load", record.load), ("adapt", record.adapt), ("predict", record.predict)):
        if spent:
            peak, before = spent.peak_bytes / 2**20, spent.resident_bytes / 2**20
            lines += [
                f"- {phase}: {spent.seconds:.2f} s, {spent.tokens} tokens, "
                f"{peak:.0f} MiB at the peak above {before:.0f} MiB ({spent.meter})"
            ]
    per_query = record.seconds_per_query
    if per_query is not None:
        lines += [f"- per query: {per_query * 1000:.2f} ms"]
    lines += [f"- trained numbers: {record.trained_parameters}"]
    lines += [f"- {name}: {value}" for name, value in record.environment.items()]
    return "\n".join(lines)


def hub_results(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "task": {"type": "text-classification"},
            "dataset": {"name": f"{record.run.task}, {name} ({outcome.domain})", "type": record.run.task},
            "metrics": [{"type": "accuracy", "value": round(accuracy(outcome), 4)}],
        }
        for name, outcome in record.outcomes.items()
    ]
