"""A training run that is killed goes on from its state on disk: bitwise to the losses and parameters of one that was not."""

import os
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from inweights.engine.trees import Tree
from inweights.training import Job, Resume, Schedule, minimize
from inweights.training.loop import minimize_together
from inweights.types import Seeds
from inweights.updates import LoRA
from tests.test_together import dropping
from tests.tiny import tiny

STEPS = 11
SCHEDULE = Schedule(lr=5e-3, epochs=10, batch_size=3, decay="cosine", warmup=0.2)
ITEMS = [(tuple(range(4 + i, 9 + 2 * i)), 20 + i) for i in range(7)]
"""Texts with the token to come next; the last batch of an epoch is smaller."""


class Killed(Exception):  # noqa: N818  it is what happens to a run
    """In the middle of it."""


def run(resume=None, killed_at=0, schedule=SCHEDULE, steps=STEPS):
    """Losses and parameters of a LoRA with dropout on."""
    model = dropping(tiny("opt"))
    adapted = LoRA(rank=2).apply(model, 0)

    def loss(batch):
        logits = adapted.model.next_token_logits([Tree(ids) for ids, _ in batch])
        return F.cross_entropy(logits, torch.tensor([token for _, token in batch]), reduction="none")

    def watch(step, of, _):
        assert of <= steps
        if step == killed_at:
            raise Killed

    job = Job(adapted.parameters, ITEMS, schedule, Seeds(1, 2, 3, 4))
    trace = minimize(loss, job, model.module, most_steps=steps, resume=resume, watch=watch)
    return trace.losses, {name: each.detach().clone() for name, each in adapted.parameters.items()}


def same(one, other) -> bool:
    return one[0] == other[0] and all(torch.equal(one[1][name], other[1][name]) for name in one[1])


@pytest.fixture(scope="module")
def whole():
    return run()


@pytest.mark.parametrize("killed", [(1,), (3, 4), (2, 5, 9), (STEPS,)])
def test_a_run_killed_at_some_steps_comes_out_bitwise_as_one_that_was_not(killed, tmp_path, whole):
    for step in killed:
        with pytest.raises(Killed):
            run(Resume(tmp_path / "state.safetensors", "this", seconds=0), step)
    watched = Resume(tmp_path / "state.safetensors", "this", seconds=0)
    assert same(run(watched), whole)


def test_what_was_done_since_the_state_was_last_kept_is_done_again(tmp_path, whole):
    """It is kept every so many seconds, here never after the second step."""
    path = tmp_path / "state.safetensors"
    with pytest.raises(Killed):
        run(Resume(path, "this", seconds=0), 2)
    kept = path.read_bytes()
    with pytest.raises(Killed):
        run(Resume(path, "this", seconds=1e9), 7)
    assert path.read_bytes() == kept
    assert same(run(Resume(path, "this", seconds=1e9)), whole)


def test_dropout_and_order_go_on_where_they_were(tmp_path, whole):
    """A run that drew them anew would meet other losses from the first step on."""
    with pytest.raises(Killed):
        run(Resume(tmp_path / "state.safetensors", "this", seconds=0), 4)
    anew = run(schedule=replace(SCHEDULE, warmup=0.0))
    assert anew[0][0] == whole[0][0]
    assert anew[0][4:] != whole[0][4:]
    assert run(Resume(tmp_path / "state.safetensors", "this", seconds=0))[0] == whole[0]


def test_another_runs_state_is_not_taken_up(tmp_path, whole):
    with pytest.raises(Killed):
        run(Resume(tmp_path / "state.safetensors", "other", seconds=0), 5, replace(SCHEDULE, lr=1e-2))
    assert same(run(Resume(tmp_path / "state.safetensors", "this", seconds=0)), whole)


def test_a_run_that_had_ended_is_not_trained_further(tmp_path, whole):
    path = tmp_path / "state.safetensors"
    run(Resume(path, "this", seconds=0))
    assert same(run(Resume(path, "this", seconds=0), killed_at=1), whole)


def test_a_run_that_ended_early_is_not_trained_further(tmp_path):
    """After an epoch of three steps whose mean loss was low enough."""
    early = replace(SCHEDULE, stop_loss=1e3)
    expected = run(schedule=early)
    assert len(expected[0]) == 3
    run(Resume(tmp_path / "state.safetensors", "this", seconds=0), schedule=early)
    assert same(run(Resume(tmp_path / "state.safetensors", "this", seconds=0), schedule=early), expected)


def test_a_file_is_whole_at_any_instant(tmp_path, monkeypatch, whole):
    """Killed while its state is being written, a run goes on from the state before; nothing half-written is left."""
    path, renamed = tmp_path / "state.safetensors", os.replace
    with pytest.raises(Killed):
        run(Resume(path, "this", seconds=0), 3)
    kept = path.read_bytes()

    def killed(*_):
        raise Killed

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(Killed):
        run(Resume(path, "this", seconds=0))
    monkeypatch.setattr(os, "replace", renamed)
    assert [each.name for each in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == kept
    assert same(run(Resume(path, "this", seconds=0)), whole)


def test_what_is_not_kept_is_not_said_to_be(tmp_path):
    """Copies of the parameters on the way, and several runs at once."""
    model = tiny("opt")
    adapted = LoRA(rank=2).apply(model, 0)
    job = Job(adapted.parameters, ITEMS, SCHEDULE, Seeds(1, 2, 3, 4))
    for jobs, snapshots in (([job, job], 0), ([job], 2)):
        with pytest.raises(AssertionError):
            minimize_together(
                lambda batches: {}, jobs, model.module, snapshots=snapshots, resume=Resume(tmp_path / "state", "this")
            )
