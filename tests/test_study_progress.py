"""What is seen of a study while it runs: runs that ended, steps of the one in progress, the time left, a busy machine."""

import io
import sys
from dataclasses import dataclass, replace

import pytest

from inweights import compare
from inweights.study import progress
from inweights.study.batches import batches
from inweights.study.do import do
from inweights.study.planned import PlannedRun
from inweights.study.progress import State, watching
from inweights.study.store import run_id
from inweights.types import Record
from tests.sample_records import record
from tests.test_study_grid import grid
from tests.tiny import folder

GRID = {"model": str(folder("gpt2")), "task": "made-topic", "shots": 4, "seeds": 2, "limit": 4, "steps": 3}


@pytest.fixture
def runs() -> list[PlannedRun]:
    return grid(methods="icl,pbft", seeds=2)[0]


def ended(state, planned, seconds=0.0):
    """A run that took so long."""
    state.tell(planned, None)
    state.started -= seconds
    state.tell(planned, record("icl"))


def test_without_a_forecast_the_time_left_is_told_from_the_pace_so_far(runs):
    state = State(total=12, to_do=10)
    assert state.left == ""
    ended(state, runs[0], 15)
    ended(state, runs[0], 15)
    assert state.left in ("about 120 s left", "about 2 min left")
    assert state.done == 4


def test_with_a_forecast_the_time_left_is_that_of_the_runs_that_are_left_at_the_pace_of_those_before(runs):
    seconds = dict(zip(map(run_id, (each.run for each in runs)), (10, 30, 20, 200), strict=True))
    state = State(len(runs), len(runs), lambda: seconds)
    state.started -= 1000  # of loading the model, which says nothing about the pace
    state.tell(runs[0], None)
    assert state.left == "about 4 min left"  # 260 s
    state.tell(runs[0], record("icl"))
    state.started = state.began - 20  # twice as long as forecast
    assert state.left == "about 8 min left"  # 2 * 250 s
    state.tell(runs[1], None)
    state.began -= 60
    state.started -= 60
    assert state.left == "about 7 min left"  # a minute less


def test_steps_of_a_run_are_told_with_loss_and_time_left():
    state = State(1, 1)
    state.tell_step(1, 40, 0.7)
    assert state.step == "step 1 of 40, loss 0.700"
    state._first_step = (1, state._first_step[1] - 22)
    state.tell_step(12, 40, 0.53123)
    assert state.step == "step 12 of 40, loss 0.531, about 56 s left"  # 28 steps at 2 s
    state.tell_step(1, 40, 0.6)  # another training of the same run
    assert state.step == "step 1 of 40, loss 0.600"


@pytest.mark.parametrize(("seen", "seconds", "lines"), [(True, 0, 3), (True, 60, 0), (False, 0, 0)])
def test_where_somebody_watches_steps_are_lines_on_stderr_every_few_seconds(seen, seconds, lines, monkeypatch, capsys):
    monkeypatch.setattr(progress, "interactive", lambda: seen)
    monkeypatch.setattr(progress, "EVERY", seconds)
    compare(**{**GRID, "seeds": 1}, methods="pbft", progress=True)
    shown = [line for line in capsys.readouterr().err.splitlines() if "step " in line]
    assert len(shown) == lines
    assert all(line.startswith("made-topic pbft 4 shots seed 0: step ") for line in shown)


def test_in_a_pipe_only_long_runs_tell_their_steps(monkeypatch, capsys):
    monkeypatch.setattr(progress, "EVERY_IN_PIPE", 0)
    compare(**{**GRID, "seeds": 1}, methods="pbft", progress=True)
    assert "made-topic pbft 4 shots seed 0: step 2 of 3, loss " in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_the_running_row_shows_its_steps():
    study, shown = compare(**GRID, methods="pbft", dry_run=True), Terminal()
    with watching(study, 2, shown) as watch:
        watch(study.settings[0], None)
        progress_of_training(2, 40)
        watch(study.settings[1], None)
    state = State(2, 2, running="a run", step="step 3 of 4, loss 0.100", warning="warning: busy")
    from rich.console import Console

    console = Console(file=io.StringIO(), width=100)
    console.print(progress._table("study", state))
    assert "step 3 of 4, loss 0.100" in console.file.getvalue()
    assert "warning: busy" in console.file.getvalue()


def progress_of_training(step, steps):
    from inweights.training.watching import current_watch

    current_watch()(step, steps, 0.5)


def test_patterns_are_named_where_there_are_several(capsys):
    compare(**GRID, methods="zero-shot", patterns="held-out-1,held-out-2", progress=True)
    assert "[2/2] made-topic zero-shot by held-out-2 0 shots" in capsys.readouterr().err


def test_a_busy_machine_is_warned_of_once(runs, capsys):
    disturbed = replace(record("icl"), adapt=replace(record("icl").adapt, others_cores=1.24))
    state = State(2, 2)
    watch = progress._plain(state, sys.stderr)
    for each in runs[:2]:
        watch(each, disturbed)
    told = capsys.readouterr().err
    assert told.count("warning: other processes keep 1.2 cores busy: seconds and what pays after depend on it") == 1


@dataclass
class Backwards:
    """A placement of one's own: batch by batch from the last one, in this process."""

    store: object
    load: object
    watch: object
    retried: object

    def place(self, planned):
        loaded = self.load(planned[0].run.weights)
        for batch in reversed(list(batches(planned))):
            for each, made in zip(batch, do(batch, loaded), strict=True):
                self.store.write(made)
                self.watch(each, made)
        return []


def test_runs_are_done_where_a_placement_of_ones_own_does_them(tmp_path):
    seen: list[Record] = []
    study = compare(**GRID, methods="zero-shot,icl", out=tmp_path / "own", dry_run=True)
    study.run(placement=Backwards, watch=lambda planned, made: seen.append(made))
    assert [(each.run.method, each.run.seed) for each in seen] == [("icl", 1), ("icl", 0), ("zero-shot", 0)]
    local = compare(**GRID, methods="zero-shot,icl", out=tmp_path / "local")
    assert [each.outcomes for each in study.records] == [each.outcomes for each in local.records]
    assert not study.missing()


def test_a_study_runs_by_itself(tmp_path):
    study = compare(**GRID, methods="zero-shot", out=tmp_path, dry_run=True)
    study.run()
    assert [each.status for each in study.records] == ["ok"]
