"""The README's tables, made of the records under benchmarks/results: `python benchmarks/readme.py`.

Each stands between two marks in the README, `<!-- NAME -->` and `<!-- end -->`; tests/test_readme.py checks that they are
those of the records. `results/demo.json` is `inweights report studies/demo --format json` behind `make demo`.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
README = Path(__file__).parents[1] / "README.md"


def main() -> None:
    README.write_text(filled(README.read_text()))


def filled(text: str) -> str:
    """The README with every table made anew."""
    for name, make in TABLES.items():
        table = make(json.loads((RESULTS / f"{name}.json").read_text()))
        text, count = re.subn(rf"(<!-- {name} -->\n).*?(<!-- end -->)", rf"\g<1>{table}\g<2>", text, flags=re.DOTALL)
        assert count == 1, f"{README} has {count} places for the table {name}"
    return text


def demo(record: Mapping[str, Any]) -> str:
    """Accuracy in and out of domain by method, one column for each task and number of shots."""
    rows = [row for row in record["rows"] if not row["oracle"]]
    groups = list(dict.fromkeys((row["task"], row["shots"]) for row in rows))
    heads = ["method", *(f"{task.removeprefix('made-')}, {shots} shots" for task, shots in groups), "adapt s", "ms/query"]
    lines = []
    for method in dict.fromkeys(row["method"] for row in rows):
        of_method = {(row["task"], row["shots"]): row for row in rows if row["method"] == method}
        slowest = max(of_method.values(), key=lambda row: row["adapt_seconds"])
        accuracies = [_both(of_method[group]) for group in groups]
        seconds = [f"{slowest['adapt_seconds']:.1f}", f"{1e3 * slowest['seconds_per_query']:.1f}"]
        lines.append([f"`{method}`", *accuracies, *seconds])
    return _table(heads, lines)


def _both(row: Mapping[str, Any]) -> str:
    means = {row["domains"][name]: interval["mean"] for name, interval in row["accuracy"].items()}
    return f"{means['in-domain']:.2f} / {means['out-of-domain']:.2f}"


def minilm(record: Mapping[str, Any]) -> str:
    """Mean accuracy in domain with its 95 % interval, one line for each task and number of shots."""
    found: dict[tuple[str, int], dict[str, str]] = {}
    for row in record["rows"]:
        [first] = [v for v in row.values() if isinstance(v, dict) and v["domain"] == "in-domain"]
        line = found.setdefault((row["task"], row["shots"]), {"majority": f"{first['majority']:.3f}"})
        line[f"`{row['method']}`"] = f"{first['accuracy']:.3f} [{first['low']:.3f}, {first['high']:.3f}]"
    heads = ["task", "shots", *next(iter(found.values()))]
    return _table(heads, [[task, str(shots), *line.values()] for (task, shots), line in found.items()])


def scoring(record: Mapping[str, Any]) -> str:
    """How many times faster than peers, and how far from the limits."""
    heads = ["shape", "whole prompts in transformers", "a copied cache in transformers"]
    heads += ["cost of a query, zero-shot = 1", "of the matrix-product rate"]
    lines = [
        [
            name,
            f"{row['faster_than_whole_prompts']:.1f} x as fast",
            f"{row['faster_than_a_copied_cache']:.1f} x as fast",
            f"{row['times_the_cost_of_zero_shot_prefix_known']:.2f}",
            f"{row['of_the_matrix_product_rate']['inweights']:.0%}",
        ]
        for name, row in record["models"].items()
    ]
    return _table(heads, lines)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(line)} |\n" for line in [heads, ["---"] * len(heads), *lines])


TABLES: dict[str, Callable[[Mapping[str, Any]], str]] = {"demo": demo, "minilm": minilm, "scoring": scoring}


if __name__ == "__main__":
    main()
