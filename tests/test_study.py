"""A study does what is missing, whoever stopped it and whenever, and comes to the same figures."""

import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from inweights import records
from inweights.study import do as do_module
from inweights.study.api import compare, study_of
from inweights.study.do import execute
from inweights.study.grid import tasks_of
from inweights.study.loading import load
from inweights.study.spec import spec_of
from inweights.study.store import Store, run_id
from inweights.types import DivergedError, Record, Run, UserError, Weights
from tests.tiny import folder, tiny

GRID = {"task": ["made-topic"], "methods": ["icl", "vanilla+lora"], "shots": [4], "seeds": 3, "limit": 12, "steps": 3}


def figures(study: Path) -> dict[str, tuple[object, ...]]:
    found = records.read_folder(study)
    return {run_id(r.run): (r.status, {n: o.answers for n, o in r.outcomes.items()}, r.losses) for r in found}


def assert_same(one: Path, other: Path) -> None:
    """The same runs with the same answers; losses but for what another number of runs in a pass rounds otherwise."""
    found, expected = figures(one), figures(other)
    assert {run: each[:2] for run, each in found.items()} == {run: each[:2] for run, each in expected.items()}
    for run, each in found.items():
        assert each[2] == pytest.approx(expected[run][2], abs=1e-4)


def command(out: Path) -> list[str]:
    flags = ["--task", "made-topic", "--methods", "icl,vanilla+lora", "--shots", "4", "--seeds", "3", "--limit", "12"]
    flags += ["--steps", "3", "--out", str(out)]
    return [sys.executable, "-m", "inweights", "compare", "--model", str(folder("gpt2")), *flags]


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """The study, uninterrupted."""
    out = tmp_path_factory.mktemp("whole")
    compare(model=str(folder("gpt2")), out=out, **GRID)
    return out


def test_a_study_killed_at_random_instants_ends_with_the_same_figures(whole, tmp_path):
    rng = random.Random(0)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for _ in range(3):
        process = subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, env=environment, text=True)
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        time.sleep(rng.uniform(0, 1.5))
        process.kill()
        process.wait()
    subprocess.run(command(tmp_path), check=True, capture_output=True, env=environment)
    assert_same(tmp_path, whole)


def test_what_is_done_is_not_done_again(whole):
    before = {path: path.stat().st_mtime_ns for path in (whole / "records").iterdir()}
    seen = []
    compare(model=str(folder("gpt2")), out=whole, watch=lambda setting, record: seen.append(setting), **GRID)
    assert seen == []
    assert {path: path.stat().st_mtime_ns for path in (whole / "records").iterdir()} == before


def test_two_processes_share_the_work_and_double_none(whole, tmp_path):
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    both = [subprocess.Popen(command(tmp_path), stdout=subprocess.PIPE, env=environment, text=True) for _ in range(2)]
    printed = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert_same(tmp_path, whole)
    done = [line for text in printed for line in text.splitlines() if line.startswith("[")]
    assert len(done) >= 6
    assert len({line.split("] ")[1].split(":")[0] for line in done}) == 6


def test_ctrl_c_says_how_to_go_on_and_leaves_whole_records(tmp_path):
    flags = [flag if flag != "3" else "40" for flag in command(tmp_path)]
    # A shell starts what is in the background with interrupts ignored, and so what that starts.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(flags, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heard)
    assert process.stdout is not None
    while not process.stdout.readline().startswith("[1/"):
        pass
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"what is done is in {tmp_path}: give the same command again to go on" in out
    assert "Traceback" not in error
    assert records.read_folder(tmp_path)


class Broken:
    """A method that fails in the way it is told to."""

    needs = frozenset({"choices"})

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def fit(self, model, prompt, shots, budget):
        raise self.error


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DivergedError("the loss was nan at step 3"), "diverged"),
        (MemoryError(), "out-of-memory"),
        (torch.cuda.OutOfMemoryError("CUDA out of memory"), "out-of-memory"),
        (RuntimeError("matrices\ndo not fit"), "failed"),
    ],
)
def test_a_run_that_fails_is_a_record_with_its_reason(error, status, tmp_path):
    study = small_study(tmp_path)
    record = execute(replace(study.settings[0], method=Broken(error)), load(Weights(str(folder("gpt2")))))
    assert record.status == status
    assert record.reason == (" ".join(str(error).split()) or type(error).__name__)
    assert records.from_json(records.to_json(record)) == record


def test_a_run_that_is_interrupted_is_no_record(tmp_path):
    study = small_study(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        execute(replace(study.settings[0], method=Broken(KeyboardInterrupt())), load(Weights(str(folder("gpt2")))))


def small_study(out: Path):
    spec = spec_of({"model": str(folder("gpt2")), **GRID, "seeds": 1})
    return study_of(spec, tasks_of(spec)[0], out)


def test_the_rest_goes_on_when_one_fails(tmp_path, monkeypatch):
    real = do_module.fit
    monkeypatch.setattr(do_module, "fit", lambda s, m: 1 / 0 if s.run.method == "icl" else real(s, m))
    study = small_study(tmp_path)
    study.run(load, lambda setting, record: None)
    assert {r.run.method: r.status for r in study.records} == {"icl": "failed", "vanilla+lora": "ok"}


def test_a_failed_run_is_done_again_only_when_asked_for(tmp_path):
    study = small_study(tmp_path)
    setting = study.settings[0]
    study.store.prepare({})
    study.store.write(execute(replace(setting, method=Broken(RuntimeError("x"))), load(Weights(str(folder("gpt2"))))))
    assert setting not in study.missing()
    assert setting in study.missing(retry_failed=("failed",))


def test_a_record_says_all_that_was_measured(whole):
    for record in records.read_folder(whole):
        assert record.load is not None
        assert record.adapt is not None
        assert record.predict is not None
        assert record.adapt.seconds > 0
        assert record.predict.tokens > 0
        assert record.queries == 24
        assert record.artifact_bytes > 0
        assert len(record.indices) == 4
        assert record.environment["model digest"] == tiny("gpt2").card.digest
        trains = record.run.method != "icl"
        assert (record.trained_parameters > 0) == (record.optimizer_bytes > 0) == trains


def test_methods_are_given_the_same_examples(whole):
    by_seed: dict[int, set[tuple[int, ...]]] = {}
    for record in records.read_folder(whole):
        by_seed.setdefault(record.run.seed, set()).add(record.indices)
    assert all(len(draws) == 1 for draws in by_seed.values())
    assert len(set.union(*by_seed.values())) == 3


def test_a_corrupted_record_is_named_with_the_way_out(whole, tmp_path):
    (tmp_path / "records").mkdir()
    path = next((whole / "records").iterdir())
    (tmp_path / "records" / path.name).write_text(path.read_text()[:200])
    with pytest.raises(UserError, match=r"is not a whole record .*: delete it and run the study again"):
        records.read_folder(tmp_path)


def test_a_full_disk_leaves_the_old_record_and_nothing_half_written(tmp_path, monkeypatch):
    store = Store(tmp_path)
    store.prepare({})
    run = Run(Weights("m"), "t", "icl", 4, 0)
    first = Record(run, "failed", "first")
    store.write(first)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(records.os, "fsync", full)
    with pytest.raises(UserError, match=r"cannot be written \(No space left on device\): make room and run the same"):
        store.write(replace(first, reason="second"))
    assert store.find(run) == first
    assert [path.name for path in (tmp_path / "records").iterdir()] == [store.path(run).name]


def test_the_published_protocol_is_reproduced_with_its_oracles_named_as_such(tmp_path):
    from inweights.report import choose, rows_of
    from inweights.study.spec import mosbach2023

    values = {"model": str(folder("gpt2")), "task": "made-topic", "shots": 4, "limit": 12, "steps": 4}
    spec = mosbach2023(spec_of(values))
    assert (spec.seeds, spec.set["pbft.schedule.lr"], spec.set["pbft.schedule.decay"]) == (10, "1e-5", "constant")
    assert (spec.set["pbft.schedule.epochs"], spec.set["pbft.schedule.batch_size"]) == ("40", "32")
    assert mosbach2023(spec_of({**values, "set": {"schedule.epochs": "5"}})).set.get("pbft.schedule.epochs") is None
    small = mosbach2023(spec_of({**values, "seeds": 2, "methods": "pbft"}))
    assert {name.partition(".")[0] for name in small.set} == {"pbft"}
    study = study_of(small, tasks_of(small)[0], tmp_path)
    study.run(load, lambda setting, record: None)
    rows = rows_of(study.records)
    assert sorted(row.oracle for row in rows) == ["", "oracle: best in-domain", "oracle: best out-of-domain"]
    by_oracle = {row.oracle: row for row in rows}
    last = by_oracle[""]
    for rule, domain in (("oracle: best in-domain", "in-domain"), ("oracle: best out-of-domain", "out-of-domain")):
        assert by_oracle[rule].mean_over(domain) >= last.mean_over(domain)
    assert choose(study.records).row.oracle == ""
