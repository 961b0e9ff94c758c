"""A study: a grid of runs in a folder, done where they are missing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from inweights.study.execute import Loaded, Setting, execute, fit
from inweights.study.store import Store
from inweights.types import Record, UserError

if TYPE_CHECKING:
    from inweights.methods import Fitted

Watch = Callable[[Setting, Record | None], None]
"""Told of every run when it begins (no record yet) and when it has ended."""


@dataclass(frozen=True)
class Study:
    """Its records are read from the folder each time they are asked for."""

    store: Store
    settings: tuple[Setting, ...]

    @property
    def folder(self) -> Path:
        return self.store.folder

    @property
    def records(self) -> list[Record]:
        found = [self.store.find(setting.run) for setting in self.settings]
        return [record for record in found if record is not None]

    def missing(self, retry_failed: Sequence[str] = ()) -> list[Setting]:
        """Runs without a record, and those that ended in one of the given statuses."""
        found = [(setting, self.store.find(setting.run)) for setting in self.settings]
        return [setting for setting, record in found if record is None or record.status in retry_failed]

    def run(self, load: Callable[[str], Loaded], watch: Watch, retry_failed: Sequence[str] = ()) -> None:
        """Do what is missing. Runs that another process holds are left to it, and waited for at the end."""
        loaded: dict[str, Loaded] = {}
        held = []
        again = {id(setting) for setting in self.missing(retry_failed)}
        for setting in [each for each in self.settings if id(each) in again]:
            with self.store.claimed(setting.run) as mine:
                if not mine:
                    held.append(setting)
                    continue
                record = self.store.find(setting.run)
                if record is not None and record.status not in retry_failed:
                    watch(setting, record)
                    continue
                if setting.run.model not in loaded:
                    loaded[setting.run.model] = load(setting.run.model)
                watch(setting, None)
                record = execute(setting, loaded[setting.run.model])
                self.store.write(record)
                watch(setting, record)
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

    def fit(self, method: str, seed: int | None = None) -> "Fitted":
        """The fitted method of one of the study's runs, made again; the first seed's if none is given."""
        from inweights import models

        for setting in self.settings:
            if setting.run.method == method and seed in (None, setting.run.seed):
                return fit(setting, models.load(setting.run.model))[0]
        known: Mapping[str, None] = dict.fromkeys(setting.run.method for setting in self.settings)
        raise UserError(f"the study has no run of {method!r}; it has {', '.join(known)}")
