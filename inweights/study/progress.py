"""What a person sees while a study runs: a live table on a terminal, plain lines anywhere else."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from inweights.study.execute import Setting
from inweights.study.study import Study, Watch
from inweights.types import Record


@contextmanager
def watching(study: Study) -> Iterator[Watch]:
    if sys.stdout.isatty():
        with _live(study) as watch:
            yield watch
    else:
        yield _plain(len(study.settings), len(study.settings) - len(study.missing()))


def _plain(total: int, done: int) -> Watch:
    count = done

    def watch(setting: Setting, record: Record | None) -> None:
        nonlocal count
        if record is not None:
            count += 1
            print(f"[{count}/{total}] {_name(setting)}: {_result(record)}", flush=True)

    return watch


@contextmanager
def _live(study: Study) -> Iterator[Watch]:
    from rich.live import Live
    from rich.table import Table

    started, ended = time.monotonic(), 0
    to_do = len(study.missing())
    last: list[tuple[str, str]] = []
    running = "loading the model"

    def table() -> Table:
        shown = Table(title=f"{study.folder}", title_justify="left", expand=False)
        shown.add_column("run")
        shown.add_column("result")
        for name, result in last[-8:]:
            shown.add_row(name, result)
        shown.add_row(f"[bold]{running}[/bold]", "running")
        left = (time.monotonic() - started) / ended * (to_do - ended) if ended else None
        shown.caption = f"{ended} of {to_do} done" + (f", about {_span(left)} left" if left is not None else "")
        return shown

    with Live(get_renderable=table, refresh_per_second=2) as live:

        def watch(setting: Setting, record: Record | None) -> None:
            nonlocal ended, running
            running = _name(setting)
            if record is not None:
                ended += 1
                last.append((_name(setting), _result(record)))
            live.refresh()

        yield watch


def _name(setting: Setting) -> str:
    run = setting.run
    return f"{run.task} {run.method} {run.shots} shots seed {run.seed}"


def _result(record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    accuracies = [
        f"{name} {sum(g == p for g, p in zip(o.gold, o.predicted, strict=True)) / len(o.gold):.3f}"
        for name, o in record.outcomes.items()
    ]
    assert record.adapt is not None
    return f"{', '.join(accuracies)}, adapted in {record.adapt.seconds:.1f} s"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
