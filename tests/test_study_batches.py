"""Which runs go together and in which order; what does a batch can be sent elsewhere; one process takes what is free."""

import pickle
from dataclasses import replace

import pytest

from inweights.study.batches import batches, in_order, shares_passes
from inweights.study.do import do
from inweights.study.loading import load, loader
from inweights.study.placement import Local
from inweights.study.spec import spec_of
from inweights.study.store import Store, run_id
from inweights.study.study import Study
from inweights.types import Record, UserError, Weights
from tests.test_study_grid import grid
from tests.tiny import folder


def planned(methods="icl,pbft+lora", **more):
    return grid(methods=methods, model=str(folder("gpt2")), limit=4, steps=2, **more)[0]


def test_seeds_of_an_update_that_stacks_are_one_batch_and_all_other_runs_are_batches_of_their_own():
    found = [[(each.run.method, each.run.seed) for each in batch] for batch in batches(planned("icl,pbft+lora,pbft"))]
    assert found == [
        [("icl", 0)],
        [("pbft+lora", 0), ("pbft+lora", 1)],
        [("pbft", 0)],
        [("icl", 1)],
        [("pbft", 1)],
    ]


def test_isolated_and_tuned_runs_share_no_passes():
    assert all(len(batch) == 1 for batch in batches(planned(isolated=True)))
    assert not any(shares_passes(each) for each in planned(tune="holdout", shots=8))


def test_a_run_is_planned_after_the_runs_that_it_follows():
    first, second = planned("icl")
    follower = replace(first, run=replace(first.run, seed=9, after=(run_id(second.run),)))
    assert in_order([follower, first, second]) == [first, second, follower]


def place(store, runs):
    store.prepare({})
    seen = []
    held = Local(store, load, lambda each, record: seen.append((each.run.seed, record and record.status))).place(runs)
    return held, seen


def test_a_run_follows_and_may_read_what_was_fitted_before(tmp_path):
    store, (first, second) = Store(tmp_path), planned("icl")
    (store.fitted(first.run) / "kept.txt").write_text("a vector")
    follower = replace(second, run=replace(second.run, after=(run_id(first.run),)))
    held, seen = place(store, [follower, first])
    assert held == []
    assert seen == [(0, None), (0, "ok"), (1, None), (1, "ok")]
    assert (store.fitted(first.run) / "kept.txt").read_text() == "a vector"


def test_a_run_that_follows_a_failed_one_fails_with_the_reason(tmp_path):
    store, (first, second) = Store(tmp_path), planned("icl")
    store.prepare({})
    store.write(Record(first.run, "failed", "as it happens"))
    follower = replace(second, run=replace(second.run, after=(run_id(first.run),)))
    place(store, [follower])
    assert store.find(follower.run).reason == f"it follows {run_id(first.run)}, which ended as failed"


def test_a_run_that_follows_one_not_done_waits(tmp_path):
    store, (first, second) = Store(tmp_path), planned("icl")
    follower = replace(second, run=replace(second.run, after=(run_id(first.run),)))
    assert place(store, [follower]) == ([follower], [])


def test_what_another_process_holds_is_left_to_it(tmp_path):
    store, (first, second) = Store(tmp_path), planned("icl")
    store.prepare({})
    with store.claimed(first.run):
        held, _ = place(store, [first, second])
    assert held == [first]
    assert store.find(second.run).status == "ok"


def test_a_batch_and_what_does_it_can_be_sent_to_another_process():
    [batch, *_] = batches(planned("pbft+lora"))
    work, again = pickle.loads(pickle.dumps((do, batch)))
    loaded = load(Weights(str(folder("gpt2"))))
    assert [each.run for each in again] == [each.run for each in batch]
    assert [record.status for record in work(again, loaded)] == ["ok", "ok"]


def test_a_study_that_is_not_done_is_reported_as_such(tmp_path):
    from inweights.records import progress
    from inweights.report import write_report

    store, (first, second) = Store(tmp_path), planned("icl")
    store.prepare({}, [first.run, second.run])
    store.write(Record(first.run, "failed", "as it happens"))
    assert progress(tmp_path) == "1 of 2 planned runs are done: the figures are provisional"
    assert progress(tmp_path) in write_report(tmp_path)["html"].read_text()
    store.write(Record(second.run, "failed", "as it happens"))
    assert progress(tmp_path) == ""


def test_a_run_that_follows_one_that_is_neither_planned_nor_done_is_refused(tmp_path):
    [first, _] = planned("icl")
    follower = replace(first, run=replace(first.run, after=("nobody",)))
    study = Study(Store(tmp_path), (follower,), spec_of({}), loader(None))
    with pytest.raises(UserError, match="follows nobody, which is neither planned nor done: plan it too"):
        study.run(load, lambda each, record: None)
