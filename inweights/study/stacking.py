"""Which runs of a study train in one pass: those of one method that differ in nothing but their seed."""

from dataclasses import replace

from inweights.study.execute import Loaded, PlannedRun


def stacks(setting: PlannedRun, loaded: Loaded) -> bool:
    """Whether runs like this one can share passes: its update can stand beside others, and the model packs."""
    update = getattr(setting.method, "update", None)
    asked = not setting.run.budget.isolated and not setting.run.tune
    return asked and getattr(update, "stacks", False) and getattr(loaded.model, "packs", False)


def alike(one: PlannedRun, other: PlannedRun) -> bool:
    return replace(one.run, seed=0) == replace(other.run, seed=0)
