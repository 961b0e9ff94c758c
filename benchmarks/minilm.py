"""Fine-tuning a real encoder on few examples of the literature: the table of MiniLM in docs/benchmarks.md.

    python benchmarks/minilm.py --data DIR [--out studies/minilm] [--limit 400]

DIR holds sst2, rte, trec and cola as `inweights compare --data` reads them. The study in --out is resumed where it
stopped; about an hour on a core. Writes benchmarks/results/minilm.json, from which benchmarks/readme.py makes the table.
"""

import argparse
import json
from pathlib import Path
from statistics import mean

import inweights
from inweights.report.statistics import accuracy, majority, over_seeds
from inweights.types import Record

RESULT = Path(__file__).parent / "results" / "minilm.json"
TASKS = ("sst2", "rte", "trec", "cola")
METHODS = ("vanilla", "vanilla+lora", "vanilla+bitfit")
SHOTS = (16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("studies/minilm"))
    parser.add_argument("--limit", type=int, default=400)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    study = inweights.compare(
        "minilm", TASKS, METHODS, SHOTS, options.seeds, options.out, _told, data=str(options.data), limit=options.limit
    )
    failed = [record for record in study.records if record.status != "ok"]
    if failed:
        raise SystemExit(f"{len(failed)} runs failed, such as {failed[0].run.method}: {failed[0].reason}")
    RESULT.write_text(json.dumps(summary(study.records, options), indent=1) + "\n")


def _told(setting: object, record: Record | None) -> None:
    if record is not None:
        scores = " ".join(f"{name} {accuracy(outcome):.3f}" for name, outcome in record.outcomes.items())
        print(record.run.task, record.run.method, record.run.shots, record.run.seed, scores, flush=True)


def summary(records: list[Record], options: argparse.Namespace) -> dict[str, object]:
    """Per task, shots and method: accuracy in and out of domain with its 95 % interval over seeds, and seconds."""
    rows = []
    for task in TASKS:
        for shots in SHOTS:
            for method in METHODS:
                found = [r for r in records if (r.run.task, r.run.method) == (task, method) and r.run.shots in (shots, 0)]
                row: dict[str, object] = {"task": task, "shots": shots, "method": method}
                for name, first in found[0].outcomes.items():
                    scores = [accuracy(record.outcomes[name]) for record in found]
                    interval = over_seeds(scores, len(first.gold))
                    row[name] = {
                        "domain": first.domain,
                        "examples": len(first.gold),
                        "majority": majority(first),
                        "accuracy": interval.mean,
                        "low": interval.low,
                        "high": interval.high,
                        "by_seed": scores,
                    }
                row["adapt_seconds"] = mean(record.adapt.seconds for record in found if record.adapt)
                rows.append(row)
    environment = records[0].environment
    return {
        "command": f"python benchmarks/minilm.py --data DIR --limit {options.limit}",
        "environment": environment,
        "rows": rows,
    }


if __name__ == "__main__":
    main()
