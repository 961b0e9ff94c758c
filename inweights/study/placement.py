"""Where batches are done: in this process, which shares the runs of a folder with others by file locks."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Protocol

from inweights.scoring.target_cache import kept_in
from inweights.study.batches import Batch, batches
from inweights.study.do import do
from inweights.study.planned import Loaded, PlannedRun, alike
from inweights.study.store import Store
from inweights.types import Record, Weights

Load = Callable[[Weights], Loaded]
Watch = Callable[[PlannedRun, Record | None], None]
"""Called with every run when it begins (no record yet) and when it has ended."""


def quiet(planned: PlannedRun, record: Record | None) -> None:
    """Does nothing."""


class Placement(Protocol):
    """Where runs are done: in this process, in several, on other machines that see the study's folder."""

    def place(self, planned: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Do the runs and write their records to the store; returns the runs that others are doing, which are waited for."""
        ...


@dataclass
class Local:
    """Does runs here, with one backbone in memory at a time; the kernel frees a run when the process that does it ends."""

    store: Store
    load: Load
    watch: Watch
    retried: Sequence[str] = ()
    """Statuses of records whose runs are done again."""
    loaded: tuple[Weights, Loaded] | None = None

    def place(self, planned: Sequence[PlannedRun]) -> list[PlannedRun]:
        """Do all runs; those that another process is doing, or that follow one of these, are returned."""
        held: list[PlannedRun] = []
        for batch in batches(planned):
            with ExitStack() as claims:
                here = tuple(
                    each for each in batch if self._ready(each) and claims.enter_context(self.store.claimed(each.run))
                )
                held += [each for each in batch if each not in here]
                if left := tuple(each for each in here if not self._done(each)):
                    self._do(left)
            self._forget_targets(batch[0], planned)
        self.loaded = None
        return held

    def _ready(self, planned: PlannedRun) -> bool:
        return all(self.store.find_id(each) is not None for each in planned.run.after)

    def _done(self, planned: PlannedRun) -> bool:
        """Whether the run has a record by now: another process may have done it."""
        record = self.store.find(planned.run)
        if record is None or record.status in self.retried:
            record = self._blocked(planned)
        if record is None:
            return False
        self.watch(planned, record)
        return True

    def _blocked(self, planned: PlannedRun) -> Record | None:
        """The record of a run that cannot begin, because one that it follows has failed."""
        for name in planned.run.after:
            before = self.store.find_id(name)
            if before is not None and before.status != "ok":
                record = Record(planned.run, "failed", f"it follows {name}, which ended as {before.status}")
                self.store.write(record)
                return record
        return None

    def _do(self, batch: Batch) -> None:
        weights = batch[0].run.weights
        if self.loaded is None or self.loaded[0] != weights:
            self.loaded = None  # two backbones need not be in memory at once
            self.loaded = weights, self.load(weights)
        self.watch(batch[0], None)
        with kept_in(self.store.targets(batch[0].run)):
            for planned, record in zip(batch, do(batch, self.loaded[1]), strict=True):
                self.store.write(record)
                self.watch(planned, record)

    def _forget_targets(self, first: PlannedRun, planned: Sequence[PlannedRun]) -> None:
        if not any(alike(first, other) and self.store.find(other.run) is None for other in planned):
            shutil.rmtree(self.store.targets(first.run), ignore_errors=True)
