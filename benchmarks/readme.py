"""The tables of README.md and docs/benchmarks.md, made from the records under benchmarks/: `python benchmarks/readme.py`.

A table stands between two marks, `<!-- NAME -->` and `<!-- end -->`; tests/test_readme.py checks that every table is that
of the records. `results/demo.json` is `inweights report studies/demo --format json` after `make demo`, `results/real.json`
the rows of the studies that docs/benchmarks.md names; what `python -m benchmarks` wrote into `records/` is the table
`performance`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
RECORDS = Path(__file__).parent / "records"
ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", ROOT / "docs" / "benchmarks.md")


def main() -> None:
    for page in PAGES:
        page.write_text(filled(page.read_text()))


def filled(text: str) -> str:
    """The page with each of its tables made anew."""
    for name in re.findall(r"<!-- (\w+) -->\n", text):
        if name == "end":
            continue
        parts = re.split(rf"(?<=<!-- {name} -->\n)(.*?)(?=<!-- end -->)", text, flags=re.DOTALL)
        assert len(parts) == 3, f"the page has {len(parts) // 2} places for the table {name}"
        text = parts[0] + _made(name) + parts[2]
    return text


def _made(name: str) -> str:
    if name == "performance":
        return performance([json.loads(path.read_text()) for path in sorted(RECORDS.glob("*.json"))])
    result, table = TABLES[name]
    return table(json.loads((RESULTS / f"{result}.json").read_text()))


def demo(record: Mapping[str, Any]) -> str:
    """Accuracy in and out of domain by method, one column for each task and number of shots."""
    rows = [row for row in record["rows"] if not row["oracle"]]
    groups = list(dict.fromkeys((row["task"], row["shots"]) for row in rows))
    heads = ["method", *(f"{task.removeprefix('made-')}, {shots} shots" for task, shots in groups), "adapt s", "ms/query"]
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = {(row["task"], row["shots"]): row for row in rows if row["method"] == method}
        slowest = max(of_method.values(), key=lambda row: row["adapt_seconds"])
        accuracies = [_means(of_method[group]) for group in groups]
        seconds = [f"{slowest['adapt_seconds']:.1f}", f"{1e3 * slowest['seconds_per_query']:.1f}"]
        lines.append([f"`{method}`", *accuracies, *seconds])
    return _table(heads, lines)


def real(record: Mapping[str, Any]) -> str:
    """Accuracy in and out of domain by method, one column for each model, task and number of shots."""
    rows = [row for row in record["rows"] if not row["oracle"]]
    groups = list(dict.fromkeys(_group(row) for row in rows))
    of = {(row["method"], _group(row)): row for row in rows}
    methods = sorted({row["method"] for row in rows}, key=lambda name: -_in_domain(of[name, groups[0]]))
    heads = ["method", *(f"{task} ({model}, {shots} shots)" for model, task, shots in groups)]
    majority = ["majority", *(_majority(next(row for row in rows if _group(row) == group)) for group in groups)]
    lines = [[f"`{name}`", *(_means(of.get((name, group))) for group in groups)] for name in methods]
    return _table(heads, [majority, *lines])


def intervals(record: Mapping[str, Any]) -> str:
    """The same with 95 % intervals, draws and costs, one line for each method, model, task and number of shots."""
    lines = []
    for row in (row for row in record["rows"] if not row["oracle"]):
        cells = [f"{_interval(row['accuracy'][name])} ({name})" for name in _sets(row)]
        draws = "any" if row["run_once"] else str(row["seeds"])
        costs = [f"{row['adapt_seconds']:.1f}", f"{1e3 * row['seconds_per_query']:.0f}"]
        what = [row["model"], row["task"], str(row["shots"]), f"`{row['method']}`"]
        lines.append([*what, *cells, *[""] * (2 - len(cells)), draws, *costs])
    return _table(["model", "task", "shots", "method", "in domain", "out of domain", "draws", "adapt s", "ms/query"], lines)


def _group(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["model"], row["task"], row["shots"]


def _in_domain(row: Mapping[str, Any]) -> float:
    return next(each["mean"] for name, each in row["accuracy"].items() if row["domains"][name] == "in-domain")


def _means(row: Mapping[str, Any] | None) -> str:
    """In domain first; empty where the study had no such method."""
    if row is None:
        return ""
    return " / ".join(f"{row['accuracy'][name]['mean']:.2f}" for name in _sets(row))


def _majority(row: Mapping[str, Any]) -> str:
    return " / ".join(f"{row['majority'][name]:.2f}" for name in _sets(row))


def _sets(row: Mapping[str, Any]) -> list[str]:
    """Names of the evaluation sets, in domain first."""
    return sorted(row["accuracy"], key=row["domains"].get)


def _interval(accuracy: Mapping[str, float]) -> str:
    return f"{accuracy['mean']:.2f} [{accuracy['low']:.2f}, {accuracy['high']:.2f}]"


def minilm(record: Mapping[str, Any]) -> str:
    """Mean accuracy in domain with its 95 % interval, one line for each task and number of shots."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for row in record["rows"]:
        [first] = [v for v in row.values() if isinstance(v, dict) and v["domain"] == "in-domain"]
        line = found.setdefault((row["task"], row["shots"]), {"majority": f"{first['majority']:.3f}"})
        line[f"`{row['method']}`"] = f"{first['accuracy']:.3f} [{first['low']:.3f}, {first['high']:.3f}]"
    heads = ["task", "shots", *next(iter(found.values()))]
    return _table(heads, [[task, str(shots), *line.values()] for (task, shots), line in found.items()])


def performance(records: Sequence[Mapping[str, Any]]) -> str:
    """Every row of every benchmark beside its peer."""
    if not records:
        return "There are no records yet: `python -m benchmarks NAME` writes one.\n"
    lines = []
    for row in (row for record in records for row in record["rows"]):
        shape = ", ".join([row["shape"], *(row[key] for key in ("update", "variant") if key in row)])
        ours, peer = (_quantity(row[side], row["unit"]) for side in ("ours", "peer"))
        goal = f"{'at least' if row['better'] == 'higher' else 'at most'} {row['goal']:g}"
        lines.append([f"`{row['name']}`", shape, row["device"], ours, peer, f"{row['ratio']:.2f}", goal])
    return _table(["benchmark", "shape", "device", "ours", "peer", "ratio", "goal"], lines)


def _quantity(value: float, unit: str) -> str:
    """Such as `131 ms per query`, `1.24 GB` or, a share, `0.975`."""
    thing, _, each = unit.partition(" per ")
    if unit == "FLOP per second":
        return f"{value / 1e9:,.0f} GFLOP/s"
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB"
    if unit in ("of 1", "accuracy") or unit.startswith("mean balanced accuracy"):
        return f"{value:.3f}"
    assert thing.startswith("seconds"), unit
    amount = f"{1e3 * value:.3g} ms" if value < 0.9995 else f"{value:.3g} s" if value < 100 else f"{value:.0f} s"
    return f"{amount} per {each}" if each else amount + thing.removeprefix("seconds")


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, ["---"] * len(heads), *lines])


TABLES: dict[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "demo": ("demo", demo),
    "real": ("real", real),
    "intervals": ("real", intervals),
    "minilm": ("minilm", minilm),
}
"""By mark: the result, and how its table is made."""


if __name__ == "__main__":
    main()
