"""Which planned runs go together, and in which order. Nothing is loaded and nothing is read."""

from collections.abc import Iterator, Sequence

from inweights.methods.base import update_of
from inweights.study.planned import PlannedRun, alike
from inweights.study.store import run_id

Batch = tuple[PlannedRun, ...]
"""One run, or several that differ only in their seeds and may train in one pass."""


def batches(planned: Sequence[PlannedRun]) -> Iterator[Batch]:
    """Every planned run once, after the runs that it follows, and otherwise in the planned order."""
    waiting = in_order(planned)
    while waiting:
        first, rest = waiting[0], waiting[1:]
        together = [other for other in rest if alike(first, other)] if shares_passes(first) else []
        waiting = [other for other in rest if other not in together]
        yield (first, *together)


def shares_passes(planned: PlannedRun) -> bool:
    """Whether seeds of this run may train in one pass; whether the model can do so is known once it is loaded."""
    asked = not planned.run.budget.isolated and not planned.run.tune
    update = update_of(planned.method)
    return asked and update is not None and update.stacks


def in_order(planned: Sequence[PlannedRun]) -> list[PlannedRun]:
    """The runs in an order in which each comes after those that it follows; runs outside of the plan count as done."""
    ids = {id(each): run_id(each.run) for each in planned}
    waiting, found = list(planned), list[PlannedRun]()
    while waiting:
        unfinished = {ids[id(each)] for each in waiting}
        # There is always one: a run's id is a digest that includes the ids that it follows, so that there is no cycle.
        ready = next(each for each in waiting if not unfinished & set(each.run.after))
        found.append(ready)
        waiting = [each for each in waiting if each is not ready]
    return found
