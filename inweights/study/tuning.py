"""A small search over the learning rate on the shots alone; evaluation sets are out of its reach."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any, cast

from inweights.methods import Fitted, Method
from inweights.methods.prepared import fit_together
from inweights.models.base import Backbone
from inweights.types import Budget, DivergedError, Example, Prompt, Shots, UserError

FACTORS = (0.3, 1.0, 3.0)
FOLDS = {"holdout": 1, "kfold": 4}


def tuned(
    method: Method, how: str, model: Backbone, prompt: Prompt, shots: Shots, budget: Budget
) -> tuple[Method, Mapping[str, object]]:
    """The method at the learning rate that does best on shots held out, and a note of what each one scored.

    `holdout`: one quarter of the shots is held out; `kfold`: each quarter in turn. Ties go to the method's own rate,
    then to the lower. Methods without a schedule come back as they are. What this takes is part of adapting.
    """
    if how not in FOLDS:
        raise UserError(f"{how!r} is not a way of tuning: expected one of {', '.join(FOLDS)}")
    if "schedule" not in {field.name for field in fields(method)}:  # type: ignore[arg-type]
        return method, {}
    own: Any = method
    folds = _folds(shots, len(prompt.labels))[: FOLDS[how]]
    tried = [
        (factor, kept, held, replace(own, schedule=replace(own.schedule, lr=own.schedule.lr * factor)))
        for factor in FACTORS
        for kept, held in folds
    ]
    right = dict.fromkeys(FACTORS, 0)
    fits = _fitted([(candidate, kept) for _, kept, _, candidate in tried], model, prompt, budget)
    for (factor, _, held, _), fitted in zip(tried, fits, strict=True):
        if fitted is not None:
            predicted = fitted.readout(held).argmax(-1).tolist()
            right[factor] += sum(p == example.label for p, example in zip(predicted, held, strict=True))
    best = max(FACTORS, key=lambda factor: (right[factor], factor == 1.0, -factor))
    count = sum(len(held) for _, held in folds)
    # As it is on this backbone: some schedules are meant for another width.
    rates = {factor: replace(own.schedule, lr=own.schedule.lr * factor).on(model.hidden_size).lr for factor in FACTORS}
    note = {"tuned_lr": rates[best], "tuned_on_shots": {f"{rates[f]:.3g}": right[f] / count for f in FACTORS}}
    return replace(own, schedule=replace(own.schedule, lr=own.schedule.lr * best)), note


def _fitted(tried: Sequence[tuple[Any, Shots]], model: Backbone, prompt: Prompt, budget: Budget) -> list[Fitted | None]:
    """All rates and folds in as few passes as they fit in; None for those that diverge."""
    if tried[0][0].update.stacks and not budget.isolated:
        # Whatever is wrong with one of them is found by running each alone.
        with suppress(Exception):
            runs = [each.prepared(model, prompt, kept, budget) for each, kept in tried]
            return [*fit_together(runs, model.module, budget)]
    return [_alone(each, kept, model, prompt, budget) for each, kept in tried]


def _alone(each: Any, kept: Shots, model: Backbone, prompt: Prompt, budget: Budget) -> Fitted | None:
    try:
        [fitted] = each.fit(model, prompt, [kept], budget)
    except DivergedError:
        return None
    return cast(Fitted, fitted)


def _folds(shots: Shots, labels: int) -> list[tuple[Shots, Sequence[Example]]]:
    """Four parts, each in whole turns of the labels where there are enough, and what remains for each."""
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
