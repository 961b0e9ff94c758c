"""Logistic regression on sentence embeddings, the line that a trained language model has to beat: a sentence of README.md.

    python benchmarks/logistic.py --data DIR

MiniLM, mean-pooled to unit length, L2 penalty with C = 10, the draws that `inweights compare` makes; whole evaluation
sets, ten draws. Writes benchmarks/results/logistic.json.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev

import torch
from torch import Tensor
from torch.nn import functional as F

from inweights import models
from inweights.models.base import Backbone
from inweights.study.draw import draw
from inweights.tasks import task as task_named
from inweights.types import Example

RESULT = Path(__file__).parent / "results" / "logistic.json"
FIELDS = {"sst2": "sentence", "trec": "text"}
SHOTS, DRAWS, C = (16, 64), 10, 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    data, model = parser.parse_args().data, models.load("minilm")
    rows = [row for name in FIELDS for row in _rows(model, name, data)]
    RESULT.write_text(json.dumps({"rows": rows, "draws": DRAWS, "c": C}, indent=1) + "\n")


def _rows(model: Backbone, name: str, data: Path) -> list[dict[str, object]]:
    task = task_named(name, data)
    sets = {place: list(split.load()) for place, split in task.evaluation.items()}
    embedded = {place: _embedded(model, name, examples) for place, examples in sets.items()}
    rows = []
    for shots in SHOTS:
        right: dict[str, list[float]] = {place: [] for place in sets}
        for seed in range(DRAWS):
            shown = draw(task, shots, seed).labelled
            weight = _fitted(_embedded(model, name, shown), _labels(shown), len(task.prompt.labels))
            for place, inputs in embedded.items():
                right[place].append(float((_scores(inputs, weight).argmax(-1) == _labels(sets[place])).double().mean()))
        accuracy = {place: {"mean": mean(values), "deviation": stdev(values)} for place, values in right.items()}
        rows.append({"task": name, "shots": shots, "accuracy": accuracy})
        print(rows[-1], flush=True)
    return rows


@torch.no_grad()
def _embedded(model: Backbone, name: str, examples: Sequence[Example]) -> Tensor:
    ids = model.encode([example.fields[FIELDS[name]] for example in examples])
    parts = [model.summaries(ids[start : start + 32], "mean") for start in range(0, len(ids), 32)]
    return F.normalize(torch.cat(parts).double(), dim=-1)


def _labels(examples: Sequence[Example]) -> Tensor:
    return torch.tensor([example.label for example in examples])


def _scores(inputs: Tensor, weight: Tensor) -> Tensor:
    """The last column of `weight` is the bias."""
    return inputs @ weight[:, :-1].T + weight[:, -1]


def _fitted(inputs: Tensor, labels: Tensor, classes: int) -> Tensor:
    weight = torch.zeros(classes, inputs.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = C * F.cross_entropy(_scores(inputs, weight), labels, reduction="sum") + weight[:, :-1].square().sum() / 2
        value.backward()
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach()


if __name__ == "__main__":
    main()
