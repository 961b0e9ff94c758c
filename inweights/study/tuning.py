"""A small search over patterns and learning rates on the shots alone; evaluation sets are out of its reach."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from inweights.methods import Fitted, Method
from inweights.methods.base import update_of
from inweights.methods.prepared import fit_together
from inweights.models.base import Backbone
from inweights.settings import field_of
from inweights.types import Budget, DivergedError, Example, Prompt, Shots, UserError

FACTORS = (1.0, 0.3, 3.0)
"""Of the method's own learning rate, in the order in which equally good ones are preferred."""
FOLDS = {"holdout": 1, "kfold": 4}


@dataclass(frozen=True)
class Candidate:
    """A method and the prompt that it reads."""

    method: Method
    prompt: Prompt
    rate: float | None = None
    """Its learning rate on this backbone: some schedules are meant for another width."""


def tuned(
    method: Method, how: str, model: Backbone, prompts: Sequence[Prompt], shots: Shots, budget: Budget
) -> tuple[Candidate, Mapping[str, object]]:
    """The prompt and learning rate that do best on shots held out, and a note of what each one scored.

    `holdout`: one quarter of the shots is held out; `kfold`: each quarter in turn. Ties go to the first prompt, then to
    the method's own rate, then to the lower. What this takes is part of adapting.
    """
    if how not in FOLDS:
        raise UserError(f"{how!r} is not a way of tuning: expected one of {', '.join(FOLDS)}")
    candidates = [candidate for prompt in prompts for candidate in _with_rates(method, prompt, model)]
    if len(candidates) == 1:
        return candidates[0], {}
    folds = _folds(shots, len(prompts[0].labels))[: FOLDS[how]]
    tried = [(candidate, kept) for candidate in candidates for kept, _ in folds]
    right = [
        0 if fitted is None else _right(fitted, folds[number % len(folds)][1])
        for number, fitted in enumerate(_fitted(tried, model, budget))
    ]
    sums = [sum(right[start : start + len(folds)]) for start in range(0, len(right), len(folds))]
    best = candidates[sums.index(max(sums))]
    held = sum(len(each) for _, each in folds)
    names = [_named(candidate, len(prompts) > 1) for candidate in candidates]
    notes: dict[str, object] = {"tuned_on_shots": {name: sum_ / held for name, sum_ in zip(names, sums, strict=True)}}
    notes |= {"tuned_lr": best.rate} if best.rate is not None else {}
    return best, notes | ({"tuned_pattern": best.prompt.name} if len(prompts) > 1 else {})


def _with_rates(method: Any, prompt: Prompt, model: Backbone) -> list[Candidate]:
    """One candidate where the method has no schedule."""
    schedule = field_of(method, "schedule")
    if schedule is None:
        return [Candidate(method, prompt)]
    scaled = [replace(schedule, lr=schedule.lr * factor) for factor in FACTORS]
    return [Candidate(replace(method, schedule=each), prompt, each.on(model.hidden_size).lr) for each in scaled]


def _named(candidate: Candidate, several: bool) -> str:
    rate = None if candidate.rate is None else f"{candidate.rate:.3g}"
    return ", ".join(filter(None, [candidate.prompt.name if several else None, rate]))


def _right(fitted: Fitted, held: Sequence[Example]) -> int:
    predicted = fitted.readout(held).argmax(-1).tolist()
    return sum(p == example.label for p, example in zip(predicted, held, strict=True))


def _fitted(tried: Sequence[tuple[Candidate, Shots]], model: Backbone, budget: Budget) -> list[Fitted | None]:
    """The scores of all candidates and folds, in as few passes as possible; None for those that diverge."""
    update = update_of(tried[0][0].method)
    if update is not None and update.stacks and not budget.isolated:
        # An error of one of them is attributed by running each alone.
        with suppress(Exception):
            methods: list[Any] = [each.method for each, _ in tried]
            runs = [
                method.prepared(model, each.prompt, kept, budget)
                for method, (each, kept) in zip(methods, tried, strict=True)
            ]
            return [*fit_together(runs, model.module, budget)]
    return [_alone(each, kept, model, budget) for each, kept in tried]


def _alone(candidate: Candidate, kept: Shots, model: Backbone, budget: Budget) -> Fitted | None:
    try:
        return candidate.method.fit(model, candidate.prompt, [kept], budget)[0]
    except DivergedError:
        return None


def _folds(shots: Shots, labels: int) -> list[tuple[Shots, Sequence[Example]]]:
    """Four parts, in whole turns of the labels if there are enough, each with the remaining shots."""
    turns = [shots.labelled[i : i + labels] for i in range(0, len(shots.labelled), labels)]
    if len(turns) < 2:
        raise UserError(f"{len(shots.labelled)} shots are too few to hold some out: take at least {2 * labels}")
    parts = min(4, len(turns))
    folds: list[tuple[Shots, Sequence[Example]]] = []
    for part in range(parts):
        held = [example for i, turn in enumerate(turns) if i % parts == part for example in turn]
        kept = tuple(example for i, turn in enumerate(turns) if i % parts != part for example in turn)
        folds.append((replace(shots, labelled=kept), held))
    return folds
