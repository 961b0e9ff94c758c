"""What a fitted method answers on evaluation sets, example by example."""

import random
from collections.abc import Mapping, Sequence
from functools import partial
from statistics import mean

import torch
from torch import Tensor

from inweights.methods import Fitted
from inweights.metrics import metric_named
from inweights.types import Example, Outcome, Split, Task

DECIMALS = 5
"""Of the probabilities that a record keeps."""


def outcomes(task: Task, fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, Outcome]:
    return {name: outcome(task.splits[name], fitted, examples, task.metric) for name, examples in evaluation.items()}


def outcome(split: Split, fitted: Fitted, examples: Sequence[Example], metric: str = "accuracy") -> Outcome:
    """Every example is scored; `log_loss` is None where a label's score is not finite."""
    scores, labels = fitted.readout(examples), fitted.readout.prompt.labels
    predicted = scores.argmax(-1).tolist()
    gold = [example.label for example in examples if example.label is not None]
    if split.reads_as:
        merged = torch.full((len(examples), max(split.reads_as) + 1), -torch.inf)
        for label, read in enumerate(split.reads_as):
            merged[:, read] = torch.logaddexp(merged[:, read], scores[:, label])
        predicted = [split.reads_as[label] for label in predicted]
        scores = merged
    loss = torch.nn.functional.cross_entropy(scores.float(), torch.tensor(gold)).item()
    subsets = tuple(example.subset for example in examples)
    finite = bool(torch.isfinite(scores).all())
    answers, right = tuple(labels[i] for i in predicted), tuple(labels[i] for i in gold)
    return Outcome(
        split.domain,
        scores=tuple(map(metric_named(metric), answers, right)),
        answers=answers,
        gold=right,
        subsets=subsets if any(subsets) else (),
        log_loss=loss if finite else None,
        probabilities=_probabilities(scores) if finite else (),
    )


def _probabilities(scores: Tensor) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(round(each, DECIMALS) for each in row) for row in scores.float().softmax(-1).tolist())


def limited(examples: Sequence[Example], limit: int | None, name: str) -> Sequence[Example]:
    """The same rows for every method and seed, in the order of the file."""
    if limit is None or limit >= len(examples):
        return examples
    return [examples[i] for i in sorted(random.Random(name).sample(range(len(examples)), limit))]


def oracles_of(task: Task, fitted: Fitted, evaluation: Mapping[str, Sequence[Example]]) -> dict[str, dict[str, Outcome]]:
    """The best snapshot by in-domain and by out-of-domain accuracy (Mosbach et al. 2023); empty without snapshots.

    Scored outside the predict phase. Keeping the snapshots is part of adapting: a study that asks for them is about
    accuracy, and its peak memory is that of training plus the snapshots.
    """
    scored = [outcomes(task, snapshot, evaluation) for snapshot in fitted.snapshots.values()]
    found = {}
    for rule, domain in (("best in-domain", "in-domain"), ("best out-of-domain", "out-of-domain")):
        if scored and any(outcome.domain == domain for outcome in scored[0].values()):
            found[rule] = max(scored, key=partial(_accuracy_on, domain=domain))
    return found


def _accuracy_on(outcomes: Mapping[str, Outcome], domain: str) -> float:
    return mean(score for outcome in outcomes.values() if outcome.domain == domain for score in outcome.scores)
