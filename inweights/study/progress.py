"""Progress of a study: a live table on a terminal, plain lines elsewhere."""

import builtins
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from inweights.report.notes import BUSY, others_cores
from inweights.study.forecast import forecast
from inweights.study.placement import Watch
from inweights.study.planned import PlannedRun
from inweights.study.store import run_id
from inweights.study.study import Study
from inweights.training.watching import steps_watched
from inweights.types import Record
from inweights.wording import about

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 8
"""Maximum number of finished runs in the live table, the latest."""
EVERY, EVERY_IN_PIPE = 5.0, 60.0
"""Minimum seconds between two lines about steps: on a terminal, and in a pipe, where only long runs need them."""
LONG = 5.0
"""Seconds after which a study's runs are forecast, which takes a second or two."""


@dataclass
class State:
    """How many runs of a study are done, and the time left: by a forecast of its runs, else at the pace so far."""

    total: int
    to_do: int
    forecast: Callable[[], Mapping[str, float]] = dict
    """Predicted seconds by the run's id."""
    started: float = field(default_factory=time.monotonic)
    ended: int = 0
    failed: int = 0
    running: str = ""
    last: list[tuple[str, str]] = field(default_factory=list)
    several_patterns: bool = False
    warning: str = ""
    step: str = ""
    """The state of the run in progress, such as `step 12 of 40, loss 0.531, about 20 s left`."""
    began: float = field(default_factory=time.monotonic)
    _predicted: Mapping[str, float] = field(default_factory=dict)
    _done: list[str] = field(default_factory=list)
    _first_step: tuple[int, float] = (0, 0.0)

    def tell(self, setting: PlannedRun, record: Record | None) -> None:
        self.step, self._first_step, self.began = "", (0, 0.0), time.monotonic()
        if record is None:
            self.running = self.name(setting)
            if not self._predicted and self.began - self.started > LONG:
                # A study must not fail because its forecast does.
                with suppress(Exception):
                    self._predicted = self.forecast()
                if self._predicted:
                    # The pace is that of the runs that are forecast: what came before is not among them.
                    self.started = self.began = time.monotonic()
            return
        self.ended += 1
        self.failed += record.status != "ok"
        self.running = ""
        self._done.append(run_id(setting.run) if self._predicted else "")
        self.last = [*self.last[-SHOWN + 1 :], (self.name(setting), _result(record))]

    def tell_step(self, step: int, steps: int, loss: float) -> None:
        now = time.monotonic()
        first, since = self._first_step
        if not first or step <= first:
            self._first_step = first, since = step, now
        left = (now - since) / (step - first) * (steps - step) if step > first else None
        ending = f", {about(left)} left" if left else ""
        self.step = f"step {step} of {steps}, loss {loss:.3f}{ending}"

    @property
    def left(self) -> str:
        """Such as `about 3 min left`; "" at the beginning and the end."""
        if self.ended >= self.to_do or not (self.ended or self._predicted):
            return ""
        now = time.monotonic()
        if not self._predicted:
            return f"{about((now - self.started) / self.ended * (self.to_do - self.ended))} left"
        done = sum(self._predicted.get(name, 0.0) for name in self._done)
        rest = sum(self._predicted.values()) - done
        pace = (self.began - self.started) / done if done else 1.0
        return f"{about(max(0.0, pace * rest - (now - self.began)))} left"

    @property
    def done(self) -> int:
        return self.total - self.to_do + self.ended

    def name(self, setting: PlannedRun) -> str:
        run = setting.run
        by = f" by {run.prompt}" if self.several_patterns else ""
        return f"{run.task} {run.method}{by} {run.shots} shots seed {run.seed}"

    def busy(self, record: Record) -> str:
        """A warning when other processes keep cores busy for the first time."""
        if self.warning or others_cores(record) < BUSY:
            return ""
        cores = others_cores(record)
        self.warning = f"warning: other processes keep {cores:.1f} cores busy: seconds and what pays after depend on it"
        return self.warning


@contextmanager
def watching(study: Study, to_do: int, file: TextIO | None = None) -> Iterator[Watch]:
    """On `file`: from the command line stdout, which is its result; from Python stderr. Steps go to stderr."""
    file = file or sys.stdout
    state = State(len(study.settings), to_do, lambda: _seconds(study))
    state.several_patterns = len({each.run.prompt for each in study.settings}) > 1
    if not file.isatty():
        with steps_watched(_step_lines(state, sys.stderr)):
            yield _plain(state, file)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=file)
    live = Live(console=console, get_renderable=lambda: _table(str(study.folder), state), refresh_per_second=2)
    with live, steps_watched(state.tell_step):

        def watch(setting: PlannedRun, record: Record | None) -> None:
            state.tell(setting, record)
            if record:
                state.busy(record)
            live.refresh()

        yield watch


def interactive() -> bool:
    """Whether the program runs in IPython, in a notebook or on a terminal."""
    return hasattr(builtins, "__IPYTHON__") or sys.stderr.isatty()


def _seconds(study: Study) -> dict[str, float]:
    """The forecasts of all runs that are not done."""
    return {run_id(each.setting.run): each.estimate.seconds for each in forecast(study) if not each.done}


def _plain(state: State, file: TextIO) -> Watch:
    def watch(setting: PlannedRun, record: Record | None) -> None:
        state.tell(setting, record)
        if record is not None:
            left = f" ({state.left})" if state.left else ""
            print(f"[{state.done}/{state.total}] {state.name(setting)}: {_result(record)}{left}", file=file, flush=True)
            if warning := state.busy(record):
                print(warning, file=sys.stderr, flush=True)

    return watch


def _step_lines(state: State, file: TextIO) -> Callable[[int, int, float], None]:
    """Shows one line every few seconds of a run, and none for a shorter run."""
    every = EVERY if interactive() else EVERY_IN_PIPE
    spoke = time.monotonic()

    def watch(step: int, steps: int, loss: float) -> None:
        nonlocal spoke
        state.tell_step(step, steps, loss)
        now = time.monotonic()
        if now - max(spoke, state.began) >= every:
            spoke = now
            left = f"; {state.left} of the study" if state.left else ""
            print(f"{state.running}: {state.step}{left}", file=file, flush=True)

    return watch


def _table(title: str, state: State) -> "Table":
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_justify="left", caption_justify="left")
    table.add_column("run")
    table.add_column("result")
    for name, result in state.last:
        table.add_row(escape(name), escape(result))
    if state.ended < state.to_do:
        running = state.running or "loading the model"
        table.add_row(f"[bold]{escape(running)}[/bold]", escape(state.step or "running"))
    parts = [f"{state.done} of {state.total} done", f"{state.failed} failed" * bool(state.failed), state.left]
    table.caption = "\n".join(filter(None, [", ".join(filter(None, parts)), escape(state.warning)]))
    return table


def _result(record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    accuracies = [f"{name} {sum(outcome.scores) / len(outcome.scores):.3f}" for name, outcome in record.outcomes.items()]
    assert record.adapt is not None
    return f"{', '.join(accuracies)}, adapted in {record.adapt.seconds:.1f} s"
