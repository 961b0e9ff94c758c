"""Records into rows: one for each task, model, method, number of shots and choice of settings, over its seeds."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from statistics import mean, median
from typing import Any, cast

from inweights.report.comparison import compared
from inweights.report.conditions import learning_rate, pattern_name
from inweights.report.distillation import distilled
from inweights.report.notes import failures, others_cores
from inweights.report.row import Row
from inweights.report.statistics import (
    by_subset,
    confusion,
    constant,
    did_not_train,
    majority,
    mcc,
    over_seeds_and_examples,
)
from inweights.types import Outcome, Record

Key = tuple[str, str, str, int, str]
"""Task, model, method (with what differs from its defaults), shots, pattern."""


def rows_of(records: Sequence[Record]) -> list[Row]:
    """The rows, in the order of the records, which is that of the study; `failures` has the failed runs."""
    groups: dict[Key, list[Record]] = defaultdict(list)
    several = _several(records)
    for record in (each for one in records for each in (one, *_oracles(one))):
        if record.status == "ok" and record.outcomes:
            groups[_key(record, several)].append(record)
    patterns = Counter(task for task, _ in {(r.run.task, name) for r in records for name in r.run.prompt.split(",")})
    rows = _beside_all_shots([_row(key, group, patterns[key[0]] > 1) for key, group in groups.items()])
    return sorted((compared(row, rows) for row in rows), key=lambda r: (r.task, r.model, r.shots, r.method, r.prompt))


def _beside_all_shots(rows: Sequence[Row]) -> list[Row]:
    """The rows, with copies of those that do not depend on the shots for every number of shots of their task and model."""
    found = [row for row in rows if not row.once]
    for row in (row for row in rows if row.once):
        shots = dict.fromkeys(r.shots for r in found if (r.task, r.model) == (row.task, row.model) and not r.once)
        found += [replace(row, shots=each) for each in shots] or [row]
    return found


def _oracles(record: Record) -> list[Record]:
    """For each rule that selects a checkpoint by an evaluation set the record of that checkpoint."""
    return [
        replace(record, outcomes=outcomes, oracles={}, notes={**record.notes, "oracle": f"oracle: {rule}"})
        for rule, outcomes in record.oracles.items()
    ]


def _most(group: Sequence[Record]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for record in group:
        for name, counts in cast(Mapping[str, Mapping[str, int]], record.notes.get("fallbacks", {})).items():
            of_set = found.setdefault(name, {})
            for what, count in counts.items():
                of_set[what] = max(count, of_set.get(what, 0))
    return found


def as_json(records: Sequence[Record]) -> dict[str, Any]:
    rows = rows_of(records)
    return {"rows": [with_distillation(row, rows) for row in rows], "failed": failures(records)}


def with_distillation(row: Row, rows: Sequence[Row]) -> dict[str, Any]:
    found = distilled(row, rows)
    return row.as_json() | {"distillation": found.as_json() if found else None}


def _conditions(record: Record) -> dict[str, str]:
    """Further conditions of a run, in words."""
    run = record.run
    return {
        "examples": "all" if run.limit is None else f"{run.limit} of each set",
        "steps": "" if run.budget.steps is None else f"at most {run.budget.steps}",
        "seeds": "each alone" if run.budget.isolated else "together",
        "autocast": run.budget.autocast or "none",
        "checkpointing": "on" if run.budget.checkpointing else "off",
    }


def _several(records: Sequence[Record]) -> dict[str, set[str]]:
    """By task the conditions, and by task and method the settings, that differ between its runs.

    A study can have grown by others.
    """
    seen: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for record in records:
        for name, value in _conditions(record).items():
            seen[record.run.task][name].add(value)
    paths = {path for record in records for path in record.run.settings}
    for record, path in product(records, paths):
        seen[f"{record.run.task} {record.run.method}"][path].add(record.run.settings.get(path, ""))
    found = {task: {name for name, values in names.items() if len(values) > 1} for task, names in seen.items()}
    return defaultdict(set, found)


def _key(record: Record, several: Mapping[str, set[str]]) -> Key:
    run = record.run
    # For a user's method only the settings that distinguish two of its name: the rest is in the user's file.
    own, varying = record.notes.get("own_method"), several[f"{run.task} {run.method}"]
    extra = [f"{path}={value}" for path, value in sorted(run.settings.items()) if not own or path in varying]
    extra += [f"tune={run.tune}"] * bool(run.tune)
    conditions = _conditions(record)
    extra += [f"{name}: {conditions[name] or 'any number'}" for name in sorted(several[run.task])]
    name = f"{run.method} ({', '.join(extra)})" if extra else run.method
    oracle = record.notes.get("oracle")
    return run.task, str(run.weights), f"{name} [{oracle}]" if oracle else name, run.shots, run.prompt


def _row(key: Key, group: list[Record], several_patterns: bool) -> Row:
    task, model, method, shots, _ = key
    first = group[0]
    free_form = bool(first.notes.get("free_form"))
    outcomes = {name: [r.outcomes[name] for r in group if name in r.outcomes] for name in first.outcomes}
    costs = [(r.adapt, r.predict) for r in group if r.adapt and r.predict]
    shown, wanted = _demonstrations(group)
    latencies = [r.latency for r in group if r.latency]
    return Row(
        task=task,
        model=model,
        method=method if shown is None or shown == wanted else f"{method} ({shown} of {wanted} shown)",
        shots=shots,
        seeds=tuple(r.run.seed for r in group),
        accuracy={n: over_seeds_and_examples(dict(enumerate(o.scores for o in each))) for n, each in outcomes.items()},
        domains={name: each[0].domain for name, each in outcomes.items()},
        examples={name: len(each[0].gold) for name, each in outcomes.items()},
        majority={} if free_form else {name: majority(each[0]) for name, each in outcomes.items()},
        mcc={name: mean(map(mcc, each)) for name, each in outcomes.items()},
        constant={name: sum(map(constant, each)) for name, each in outcomes.items()},
        confusion={name: _added(each, first.labels) for name, each in outcomes.items()},
        subsets={name: _mean_of([by_subset(o) for o in each]) for name, each in outcomes.items() if each[0].subsets},
        labels=first.labels,
        adapt_seconds=median(adapt.seconds for adapt, _ in costs),
        seconds_per_query=median(r.seconds_per_query or 0.0 for r in group),
        peak_bytes=int(median(max(adapt.peak_bytes, predict.peak_bytes) for adapt, predict in costs)),
        memory_bytes=int(median(max(c.resident_bytes + c.peak_bytes for c in both) for both in costs)),
        metric=str(first.notes.get("metric", "accuracy")),
        free_form=free_form,
        trained_parameters=int(median(r.trained_parameters for r in group)),
        optimizer_bytes=int(median(r.optimizer_bytes for r in group)),
        artifact_bytes=int(median(r.artifact_bytes for r in group)),
        oracle=str(first.notes.get("oracle", "")),
        fallbacks=_most(group),
        latency_seconds=median(each.median for each in latencies) if latencies else None,
        latency_p95_seconds=median(each.p95 for each in latencies) if latencies else None,
        prepare_seconds=median(r.prepare_seconds for r in group),
        shown=shown,
        once=bool(first.notes.get("independent_of_draws")),
        pattern=str(first.notes.get("pattern", "")),
        label_words=tuple(cast(Sequence[str], first.notes.get("label_words", ()))),
        slow_path=_slow_path(first),
        cpu_seconds=_median([adapt.cpu_seconds for adapt, _ in costs]),
        others_cores=max(others_cores(record) for record in group),
        prompt=_chosen_pattern(group),
        several_patterns=several_patterns,
        limit=first.run.limit,
        learning_rate=learning_rate(first),
        did_not_train=sum(map(did_not_train, group)),
        stacked=max(int(str(r.notes.get("stacked", 1))) for r in group),
        records=tuple(group),
    )


def _slow_path(record: Record) -> str:
    attention = record.environment.get("attention", "")
    return "" if attention.startswith("packed") else attention


def _median(values: Sequence[float | None]) -> float | None:
    known = [each for each in values if each is not None]
    return median(known) if known else None


def _chosen_pattern(group: Sequence[Record]) -> str:
    """Its name, or where seeds chose differently such as `minimal (2), review (1)`."""
    counts = Counter(map(pattern_name, group))
    return next(iter(counts)) if len(counts) == 1 else ", ".join(f"{name} ({count})" for name, count in counts.items())


def _demonstrations(group: Sequence[Record]) -> tuple[int | None, int]:
    """The number of demonstrations of the seed with the fewest, and the number that was intended."""
    left = [int(str(r.notes["demonstrations_left_out"])) for r in group if "demonstrations_left_out" in r.notes]
    if not left:
        return None, 0
    setting = group[0].settings.get("demonstrations")
    wanted = group[0].run.shots if setting is None else min(group[0].run.shots, int(str(setting)))
    return wanted - max(left), wanted


def _mean_of(tables: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: mean(table[name] for table in tables) for name in tables[0]}


def _added(outcomes: Sequence[Outcome], labels: Sequence[str]) -> list[list[int]]:
    tables = [confusion(outcome, labels) for outcome in outcomes]
    return [[sum(t[i][j] for t in tables) for j in range(len(labels))] for i in range(len(labels))]
