"""What a person sees while a study runs: a live table on a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

from inweights.study.placement import Watch
from inweights.study.planned import PlannedRun
from inweights.study.study import Study
from inweights.types import Record

if TYPE_CHECKING:
    from rich.table import Table

SHOWN = 8
"""Runs that ended last, in the live table."""


@dataclass
class State:
    """How far a study is, and how long it will take at the pace so far."""

    total: int
    to_do: int
    started: float = field(default_factory=time.monotonic)
    ended: int = 0
    failed: int = 0
    running: str = ""
    last: list[tuple[str, str]] = field(default_factory=list)

    def tell(self, setting: PlannedRun, record: Record | None) -> None:
        if record is None:
            self.running = _name(setting)
            return
        self.ended += 1
        self.failed += record.status != "ok"
        self.running = ""
        self.last = [*self.last[-SHOWN + 1 :], (_name(setting), _result(record))]

    @property
    def left(self) -> str:
        """Such as `about 3 min left`; "" at the beginning and the end."""
        if not self.ended or self.ended >= self.to_do:
            return ""
        seconds = (time.monotonic() - self.started) / self.ended * (self.to_do - self.ended)
        return f"about {seconds:.0f} s left" if seconds < 90 else f"about {seconds / 60:.0f} min left"

    @property
    def done(self) -> int:
        return self.total - self.to_do + self.ended


@contextmanager
def watching(study: Study, to_do: int, file: TextIO | None = None) -> Iterator[Watch]:
    """On `file`: from the command line stdout, which is its result; from Python stderr."""
    file = file or sys.stdout
    state = State(len(study.settings), to_do)
    if not file.isatty():
        yield _plain(state, file)
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=file)
    with Live(console=console, get_renderable=lambda: _table(str(study.folder), state), refresh_per_second=2) as live:

        def watch(setting: PlannedRun, record: Record | None) -> None:
            state.tell(setting, record)
            live.refresh()

        yield watch


def _plain(state: State, file: TextIO) -> Watch:
    def watch(setting: PlannedRun, record: Record | None) -> None:
        state.tell(setting, record)
        if record is not None:
            left = f" ({state.left})" if state.left else ""
            print(f"[{state.done}/{state.total}] {_name(setting)}: {_result(record)}{left}", file=file, flush=True)

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
        table.add_row(f"[bold]{escape(state.running or 'loading the model')}[/bold]", "running")
    parts = [f"{state.done} of {state.total} done", f"{state.failed} failed" * bool(state.failed), state.left]
    table.caption = ", ".join(part for part in parts if part)
    return table


def _name(setting: PlannedRun) -> str:
    run = setting.run
    return f"{run.task} {run.method} {run.shots} shots seed {run.seed}"


def _result(record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    accuracies = [f"{name} {sum(outcome.scores) / len(outcome.scores):.3f}" for name, outcome in record.outcomes.items()]
    assert record.adapt is not None
    return f"{', '.join(accuracies)}, adapted in {record.adapt.seconds:.1f} s"
