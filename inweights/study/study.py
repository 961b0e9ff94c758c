"""A study: a grid of runs in a folder, done where they are missing."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from inweights.scoring.target_cache import kept_in
from inweights.study.execute import Loaded, PlannedRun, execute, execute_together, fit
from inweights.study.spec import Spec, to_keep
from inweights.study.stacking import alike, stacks
from inweights.study.store import Store
from inweights.types import Record, UserError, Weights

if TYPE_CHECKING:
    from inweights.methods import Fitted
    from inweights.report import Choice
    from inweights.report.best import Objective

Watch = Callable[[PlannedRun, Record | None], None]
"""Told of every run when it begins (no record yet) and when it has ended."""


@dataclass(frozen=True)
class Study:
    """Its records are read from the folder each time they are asked for."""

    store: Store
    settings: tuple[PlannedRun, ...]
    spec: Spec
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Methods that do not run on the model and were not asked for by name, with the reason."""

    @property
    def folder(self) -> Path:
        return self.store.folder

    @property
    def records(self) -> list[Record]:
        found = [self.store.find(setting.run) for setting in self.settings]
        return [record for record in found if record is not None]

    def missing(self, retry_failed: Sequence[str] = ()) -> list[PlannedRun]:
        """Runs without a record, and those that ended in one of the given statuses."""
        found = [(setting, self.store.find(setting.run)) for setting in self.settings]
        return [setting for setting, record in found if record is None or record.status in retry_failed]

    def run(self, load: Callable[[Weights], Loaded], watch: Watch, retry_failed: Sequence[str] = ()) -> None:
        """Do what is missing. Runs that another process holds are left to it, and waited for at the end."""
        for setting in self.settings:
            self._check_ground(setting, setting.environment)
        self.store.prepare(to_keep(self.spec))
        held = []
        loaded: dict[Weights, Loaded] = {}
        waiting = self.missing(retry_failed)
        while waiting:
            setting = waiting.pop(0)
            with ExitStack() as claims:
                if not claims.enter_context(self.store.claimed(setting.run)):
                    held.append(setting)
                    continue
                record = self.store.find(setting.run)
                if record is not None and record.status not in retry_failed:
                    watch(setting, record)
                    continue
                if setting.run.weights not in loaded:
                    loaded.clear()  # runs are in the order of their models: two need not be in memory at once
                    loaded[setting.run.weights] = self._loaded(load, setting.run.weights)
                model = loaded[setting.run.weights]
                together = [setting]
                for other in waiting if stacks(setting, model) else []:
                    if alike(setting, other) and claims.enter_context(self.store.claimed(other.run)):
                        found = self.store.find(other.run)  # another process may have come to its end meanwhile
                        together += [other] * (found is None or found.status in retry_failed)
                waiting = [other for other in waiting if other not in together[1:]]
                watch(setting, None)
                with kept_in(self.store.targets(setting.run)):
                    done = execute_together(together, model) if together[1:] else [execute(setting, model)]
                    for each, record in zip(together, done, strict=True):
                        self.store.write(record)
                        watch(each, record)
                if not any(alike(setting, other) for other in self.missing()):
                    shutil.rmtree(self.store.targets(setting.run), ignore_errors=True)
        loaded.clear()
        for setting in held:
            self.store.wait(setting.run)
        if held and self.missing():
            # The other process ended before its run did.
            self.run(load, watch)

    def table(self) -> str:
        """The report's table as Markdown."""
        from inweights.report import markdown

        return markdown(self.records)

    def _repr_markdown_(self) -> str:
        return self.table()

    def best(
        self,
        objective: "Objective" = "in-domain",
        max_memory: str | None = None,
        max_latency: str | None = None,
        max_adapt_time: str | None = None,
        task: str | None = None,
    ) -> "Choice":
        """The most accurate method within limits such as `8GB`, `50ms`, `2min`; see `Choice`.

        Raises NothingFitsError where none keeps within them.
        """
        from inweights.report import Limits, choose, parse_bytes, parse_seconds

        limits = Limits(
            memory_bytes=parse_bytes(max_memory) if max_memory else None,
            latency_seconds=parse_seconds(max_latency) if max_latency else None,
            adapt_seconds=parse_seconds(max_adapt_time) if max_adapt_time else None,
        )
        return choose([record for record in self.records if task in (None, record.run.task)], objective, limits)

    def fit(self, method: str, seed: int | None = None, shots: int | None = None) -> "Fitted":
        """The fitted method of one of the study's runs, made again; of the first that fits what is given."""
        from inweights.study.loading import backbone

        for setting in self.settings:
            run = setting.run
            if run.method == method.removesuffix("+full") and seed in (None, run.seed) and shots in (None, run.shots):
                return fit(setting, backbone(run.weights, self.spec.device))[0]
        known = dict.fromkeys(f"{s.run.method} with {s.run.shots} shots and seed {s.run.seed}" for s in self.settings)
        raise UserError(f"the study has no such run of {method!r}; it has {', '.join(known)}")

    def _loaded(self, load: Callable[[Weights], Loaded], weights: Weights) -> Loaded:
        loaded = load(weights)
        for setting in self.settings:
            if setting.run.weights == weights:
                self._check_ground(setting, loaded.environment)
        return loaded

    def _check_ground(self, setting: PlannedRun, now: Mapping[str, str]) -> None:
        """Raises UserError where a record is there already and was made of other data or weights of the same name."""
        record = self.store.find(setting.run)
        then = record.environment if record else {}
        for what in ("data digest", "model digest", "dtype"):
            if what in now and then.get(what, now[what]) != now[what]:
                raise UserError(
                    f"{self.store.path(setting.run)} was made with the {what} {then[what]}, which is {now[what]} now: "
                    f"give another --out, or delete {self.folder} to begin again"
                )
