"""Records into rows: one for each task, model, method, number of shots and choice of settings, over its seeds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from statistics import mean, median
from typing import Any, cast

from inweights.report.comparison import compared
from inweights.report.statistics import (
    Interval,
    by_subset,
    confusion,
    constant,
    did_not_train,
    majority,
    mcc,
    over_seeds_and_examples,
)
from inweights.types import Outcome, Record

Key = tuple[str, str, str, int]
"""Task, model, method (with what differs from its defaults), shots."""


@dataclass(frozen=True)
class Row:
    task: str
    model: str
    method: str
    shots: int
    seeds: tuple[int, ...]
    accuracy: dict[str, Interval]
    domains: dict[str, str]
    examples: dict[str, int]
    majority: dict[str, float]
    mcc: dict[str, float]
    constant: dict[str, int]
    """Seeds that gave one answer to everything, per evaluation set."""
    confusion: dict[str, list[list[int]]]
    subsets: dict[str, dict[str, float]]
    labels: tuple[str, ...]
    adapt_seconds: float
    seconds_per_query: float
    peak_bytes: int
    trained_parameters: int
    optimizer_bytes: int
    artifact_bytes: int
    memory_bytes: int = 0
    """The most in use at any instant, the loaded model and the libraries included."""
    metric: str = "accuracy"
    """Other than accuracy: shown beside it."""
    oracle: str = ""
    """How a checkpoint was selected where that looked at an evaluation set: a diagnostic, not a method."""
    latency_seconds: float | None = None
    """Median of one query at a time, over the seeds; None where it was not measured."""
    latency_p95_seconds: float | None = None
    prepare_seconds: float = 0.0
    """To encode the demonstrations once."""
    shown: int | None = None
    """Demonstrations in the prompt, where the method shows any; of the seed that shows fewest."""
    once: bool = False
    """No draw of shots changes it: run once, shown beside every number of shots."""
    pattern: str = ""
    """As text, with its fields; "" in records that do not hold it."""
    label_words: tuple[str, ...] = ()
    limit: int | None = None
    """Maximum number of examples scored of each evaluation set."""
    learning_rate: float | None = None
    did_not_train: int = 0
    """Seeds whose loss stayed where it was, or that gave one answer to everything after training."""
    rival: str = ""
    """The best method that trains nothing, against which adapting has to pay; "" where there is none, with the reason."""
    no_rival: str = ""
    break_even_queries: int | None = None
    """From which adapting is cheaper than the rival, whose prompt is read again at every query."""
    break_even_kept_queries: int | None = None
    """The same, where the rival's prompt is encoded once and kept."""
    tied_with: tuple[str, ...] = ()
    """Methods that cannot be told from this one on the in-domain sets (paired test, Holm, 5 %)."""
    fallbacks: dict[str, dict[str, int]] = field(default_factory=dict)
    """Examples too long to be read as they are, by evaluation set and what was done; of the seed that had most."""
    stacked: int = 1
    """Seeds that trained in one pass, at the most; what adapting took is then each one's share."""
    records: tuple[Record, ...] = field(default=(), repr=False)

    @property
    def beside(self) -> tuple[str, str, int]:
        """What rows that can be compared have in common."""
        return self.task, self.model, self.shots

    @property
    def pays(self) -> str:
        """After how many queries adapting has paid, as a table shows it; "" for methods that do not train."""
        if not self.trained_parameters or self.oracle:
            return ""
        if not self.rival:
            return f"- ({self.no_rival})" if self.no_rival else ""
        again, kept = (None if n is None else f"{n:,}" for n in (self.break_even_queries, self.break_even_kept_queries))
        if again == kept:
            return f"{again} queries" if again else "never"
        return f"{again or 'never'} queries ({kept or 'never'} if kept)"

    def mean_over(self, domain: str) -> float | None:
        """Mean accuracy over the sets of a domain; None where there is none."""
        values = [self.accuracy[name].mean for name, each in self.domains.items() if each == domain]
        return mean(values) if values else None

    def as_json(self) -> dict[str, Any]:
        return {
            "task": self.task,
            "model": self.model,
            "method": self.method,
            "shots": self.shots,
            "seeds": len(self.seeds),
            "accuracy": {n: {"mean": i.mean, "low": i.low, "high": i.high} for n, i in self.accuracy.items()},
            "adapt_seconds": self.adapt_seconds,
            "seconds_per_query": self.seconds_per_query,
            "peak_bytes": self.peak_bytes,
            "trained_parameters": self.trained_parameters,
            "memory_bytes": self.memory_bytes,
            "artifact_bytes": self.artifact_bytes,
            "break_even_queries": self.break_even_queries,
            "break_even_kept_queries": self.break_even_kept_queries,
            "pays_against": self.rival or None,
            "pays": self.pays,
            "latency_seconds": self.latency_seconds,
            "latency_p95_seconds": self.latency_p95_seconds,
            "prepare_seconds": self.prepare_seconds,
            "demonstrations_shown": self.shown,
            "pattern": self.pattern,
            "label_words": list(self.label_words),
            "limit": self.limit,
            "learning_rate": self.learning_rate,
            "did_not_train": self.did_not_train,
            "run_once": self.once,
            "tied_with": list(self.tied_with),
            "domains": self.domains,
            "examples": self.examples,
            "majority": self.majority,
            "mcc": self.mcc,
            "constant_predictions": self.constant,
            "subsets": self.subsets,
            "optimizer_bytes": self.optimizer_bytes,
            "stacked": self.stacked,
            "too_long": self.fallbacks,
            "oracle": self.oracle or None,
        }


def rows_of(records: Sequence[Record]) -> list[Row]:
    """In the order of the records, which is that of the study; failed runs are left to `failures`."""
    groups: dict[Key, list[Record]] = defaultdict(list)
    several = _several(records)
    for record in (each for one in records for each in (one, *_oracles(one))):
        if record.status == "ok" and record.outcomes:
            groups[_key(record, several)].append(record)
    rows = _beside_all_shots([_row(key, group) for key, group in groups.items()])
    return sorted((compared(row, rows) for row in rows), key=lambda r: (r.task, r.model, r.shots, r.method))


def _beside_all_shots(rows: Sequence[Row]) -> list[Row]:
    """What no draw changes stands beside every number of shots that its task and model were measured with."""
    found = [row for row in rows if not row.once]
    for row in (row for row in rows if row.once):
        shots = dict.fromkeys(r.shots for r in found if (r.task, r.model) == (row.task, row.model) and not r.once)
        found += [replace(row, shots=each) for each in shots] or [row]
    return found


def tied_text(row: Row, rows: Sequence[Row]) -> str:
    """The methods tied with this one; where those are most of all, the ones that are not."""
    group = [r.method for r in rows if r.beside == row.beside and r.method != row.method and not r.oracle]
    apart = [method for method in group if method not in row.tied_with]
    if len(group) < 4 or len(apart) >= len(row.tied_with):
        return ", ".join(row.tied_with)
    return f"all but {', '.join(apart)}" if apart else "all others"


def _oracles(record: Record) -> list[Record]:
    """A record as if the checkpoint had been selected by each rule that looks at an evaluation set."""
    return [
        replace(record, outcomes=outcomes, oracles={}, notes={**record.notes, "oracle": f"oracle: {rule}"})
        for rule, outcomes in record.oracles.items()
    ]


def fallback_notes(rows: Sequence[Row]) -> list[str]:
    """A line for every row and set some of whose examples were too long to be read whole."""
    return [
        f"{row.task} {row.method} {row.shots} shots: {count:,} of {row.examples[name]:,} of {name} too long for the model's "
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


def _most(group: Sequence[Record]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for record in group:
        for name, counts in cast(Mapping[str, Mapping[str, int]], record.notes.get("fallbacks", {})).items():
            of_set = found.setdefault(name, {})
            for what, count in counts.items():
                of_set[what] = max(count, of_set.get(what, 0))
    return found


def failures(records: Sequence[Record]) -> list[dict[str, Any]]:
    return [
        {
            "task": r.run.task, "model": str(r.run.weights), "method": r.run.method, "shots": r.run.shots,
            "seed": r.run.seed, "status": r.status, "reason": r.reason,
        }
        for r in records
        if r.status != "ok"
    ]  # fmt: skip


def as_json(records: Sequence[Record]) -> dict[str, Any]:
    return {"rows": [row.as_json() for row in rows_of(records)], "failed": failures(records)}


def _conditions(record: Record) -> dict[str, str]:
    """What else a run is done under, in words."""
    run = record.run
    return {
        "pattern": run.prompt,
        "examples": "all" if run.limit is None else f"first {run.limit}",
        "steps": "" if run.budget.steps is None else f"at most {run.budget.steps}",
        "seeds": "each alone" if run.budget.isolated else "together",
        "autocast": run.budget.autocast or "none",
        "checkpointing": "on" if run.budget.checkpointing else "off",
    }


def _several(records: Sequence[Record]) -> dict[str, set[str]]:
    """By task the conditions, and by task and method the settings, that are not the same for all its runs.

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
    # Of a method that the user wrote, only what tells two of its name apart: the rest is in the user's own file.
    own, varying = record.notes.get("own_method"), several[f"{run.task} {run.method}"]
    extra = [f"{path}={value}" for path, value in sorted(run.settings.items()) if not own or path in varying]
    extra += [f"tune={run.tune}"] * bool(run.tune)
    conditions = _conditions(record)
    extra += [f"{name}: {conditions[name] or 'any number'}" for name in sorted(several[run.task])]
    name = f"{run.method} ({', '.join(extra)})" if extra else run.method
    oracle = record.notes.get("oracle")
    return run.task, str(run.weights), f"{name} [{oracle}]" if oracle else name, run.shots


def _row(key: Key, group: list[Record]) -> Row:
    task, model, method, shots = key
    first = group[0]
    outcomes = {name: [r.outcomes[name] for r in group if name in r.outcomes] for name in first.outcomes}
    costs = [(r.adapt, r.predict) for r in group if r.adapt and r.predict]
    shown, wanted = _demonstrations(group)
    latencies = [r.latency for r in group if r.latency]
    rate = first.settings.get("schedule.lr")
    return Row(
        task=task,
        model=model,
        method=method if shown is None or shown == wanted else f"{method} ({shown} of {wanted} shown)",
        shots=shots,
        seeds=tuple(r.run.seed for r in group),
        accuracy={n: over_seeds_and_examples(dict(enumerate(o.scores for o in each))) for n, each in outcomes.items()},
        domains={name: each[0].domain for name, each in outcomes.items()},
        examples={name: len(each[0].gold) for name, each in outcomes.items()},
        majority={name: majority(each[0]) for name, each in outcomes.items()},
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
        limit=first.run.limit,
        learning_rate=float(str(first.notes.get("tuned_lr", rate))) if rate is not None else None,
        did_not_train=sum(map(did_not_train, group)),
        stacked=max(int(str(r.notes.get("stacked", 1))) for r in group),
        records=tuple(group),
    )


def _demonstrations(group: Sequence[Record]) -> tuple[int | None, int]:
    """How many the seed shows that shows fewest, and how many it was to show."""
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
