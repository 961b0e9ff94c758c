"""Every example with the answer of every run: which inputs a method gets wrong."""

from collections.abc import Iterator
from typing import Any

from inweights.study.outcomes import limited
from inweights.study.planned import PlannedRun
from inweights.study.store import Store


def answers(planned: PlannedRun, store: Store) -> Iterator[dict[str, Any]]:
    """Plain values, one dict for each example of each evaluation set; none where the run has no outcome."""
    record, run = store.find(planned.run), planned.run
    for name, outcome in (record.outcomes if record else {}).items():
        examples = limited(planned.task.splits[name].load(), run.limit, f"{planned.task.name} {name}")
        for number, example in enumerate(examples):
            yield {
                "model": str(run.weights), "task": run.task, "method": run.method, "shots": run.shots, "seed": run.seed,
                "set": name, "subset": example.subset, "fields": dict(example.fields),
                "gold": outcome.gold[number], "answer": outcome.answers[number], "score": outcome.scores[number],
                "probabilities": list(outcome.probabilities[number]) if outcome.probabilities else None,
            }  # fmt: skip
