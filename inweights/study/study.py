"""A study: a grid of runs in a folder; those that are missing are done."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from inweights import records as stored
from inweights.methods import canonical
from inweights.study.answers import answers
from inweights.study.do import fit
from inweights.study.placement import Load, Local, Placement, Watch, quiet
from inweights.study.planned import Loaded, PlannedRun
from inweights.study.spec import Spec, to_keep
from inweights.study.store import Store, run_id
from inweights.types import Record, Run, UserError, Weights

if TYPE_CHECKING:
    from inweights.methods import Fitted
    from inweights.report import Choice
    from inweights.report.best import Objective


@dataclass(frozen=True, repr=False)
class Study:
    """Its records are read from the folder at each access."""

    store: Store
    settings: tuple[PlannedRun, ...]
    spec: Spec
    load: Load
    """Loads its models: those that were given as objects are in memory already."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """Default methods that do not run on the model, with the reason."""
    unplanned: str = ""
    """The reason why the runs of a reopened study cannot be planned; its records can be read."""

    @property
    def folder(self) -> Path:
        return self.store.folder

    @property
    def records(self) -> list[Record]:
        if not self.settings:
            return stored.read_folder(self.folder)
        found = [self.store.find(setting.run) for setting in self.settings]
        return [record for record in found if record is not None]

    def missing(self, retry_failed: Sequence[str] = ()) -> list[PlannedRun]:
        """Runs without a record, and those that ended in one of the given statuses."""
        found = [(setting, self.store.find(setting.run)) for setting in self.settings]
        return [setting for setting, record in found if record is None or record.status in retry_failed]

    def run(
        self,
        load: Load | None = None,
        watch: Watch = quiet,
        retry_failed: Sequence[str] = (),
        placement: Callable[[Store, Load, Watch, Sequence[str]], Placement] = Local,
    ) -> None:
        """Do the missing runs. Those that another process is doing are waited for at the end.

        `load`: another way of loading models. `watch` is called with every run. `retry_failed`: statuses whose runs are done
        again. `placement`: where runs are done; by default in this process, one backbone at a time.
        """
        self._check_planned()
        for planned in self.settings:
            self._check_ground(planned, planned.environment)
        self._check_order()
        self.store.prepare(to_keep(self.spec), [each.run for each in self.settings])
        missing = self.missing(retry_failed)
        load = load or self.load
        held = placement(self.store, partial(self._loaded, load), watch, retry_failed).place(missing)
        for planned in held:
            self.store.wait(planned.run)
        if held and self.missing():
            # The other process ended without finishing its run.
            self.run(load, watch, (), placement)

    def __repr__(self) -> str:
        if self.unplanned:
            return f"Study({str(self.folder)!r}, {len(list(self.folder.glob('records/*.json')))} records)"
        done = sum(self.store.path(each.run).exists() for each in self.settings)
        return f"Study({str(self.folder)!r}, {done} of {len(self.settings)} runs done)"

    def table(self) -> str:
        """The report's table as Markdown."""
        from inweights.report import markdown

        partial = stored.progress(self.folder)
        return markdown(self.records) + (f"\n{partial}\n" if partial else "")

    def _repr_markdown_(self) -> str:
        return self.table()

    def plan(self) -> str:
        """Predicted time and memory of every run that is not done, as text. No weights are read."""
        from inweights.study.forecast import as_text, forecast

        self._check_planned()
        return as_text(forecast(self))

    def answers(self) -> Iterator[dict[str, Any]]:
        """Every example with the answer, the gold text and the score of every run, as plain values."""
        self._check_planned()
        return chain.from_iterable(answers(planned, self.store) for planned in self.settings)

    def to_dataframe(self) -> Any:
        """A pandas DataFrame with a line for each row of the table and evaluation set. Raises UserError without pandas."""
        from inweights.report.frame import dataframe

        return dataframe(self.records)

    def plot(self) -> Any:
        """Accuracy in and out of domain with its intervals, the best method first, as a plotly figure."""
        from inweights.report.figure import figure

        return figure(self.records)

    def page(self) -> Path:
        """Write the report in every format, and return the path of its page."""
        from inweights.report import write_report

        return write_report(self.folder)["html"]

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

    def fit(self, method: str, seed: int | None = None, shots: int | None = None, pattern: str | None = None) -> "Fitted":
        """The fitted method of one of the study's runs, fitted again: the first run that matches the arguments.

        Raises UserError where there is none, with those that there are.
        """
        from inweights.report.wanted import Wanted, no_such

        self._check_planned()
        runs = [each.run for each in self.settings]
        own = any(run.method == method for run in runs)
        wanted = Wanted(method=method if own else canonical(method), pattern=pattern, shots=shots, seed=seed)
        for planned in self.settings:
            if planned.run in wanted:
                return fit(planned, self.load(planned.run.weights).model)[0]
        raise no_such(wanted, runs)

    def planned(self, run: Run) -> PlannedRun:
        """The plan of one of the study's runs."""
        self._check_planned()
        return next(each for each in self.settings if each.run == run)

    def _check_planned(self) -> None:
        """Raises UserError for a reopened study whose runs could not be planned again."""
        if self.unplanned:
            raise UserError(f"{self.folder} has its records, and its runs cannot be planned again: {self.unplanned}")

    def _loaded(self, load: Load, weights: Weights) -> Loaded:
        loaded = load(weights)
        for setting in self.settings:
            if setting.run.weights == weights:
                self._check_ground(setting, loaded.environment)
        return loaded

    def _check_order(self) -> None:
        """Raises UserError where a run follows one that is neither planned nor done."""
        planned = {run_id(each.run) for each in self.settings}
        for each in self.settings:
            for name in each.run.after:
                if name not in planned and self.store.find_id(name) is None:
                    raise UserError(f"{run_id(each.run)} follows {name}, which is neither planned nor done: plan it too")

    def _check_ground(self, setting: PlannedRun, now: Mapping[str, str]) -> None:
        """Raises UserError where there is a record already, made with other data or weights of the same name."""
        record = self.store.find(setting.run)
        then = record.environment if record else {}
        for what in ("data digest", "model digest", "dtype"):
            if what in now and then.get(what, now[what]) != now[what]:
                raise UserError(
                    f"{self.store.path(setting.run)} was made with the {what} {then[what]}, which is {now[what]} now: "
                    f"give another --out, or delete {self.folder} to begin again"
                )
