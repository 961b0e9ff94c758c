"""One sampler: balanced, nested, paired, from generators of its own."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inweights.study.draw import check_distinct, draw, seeds_of
from inweights.types import Example, Prompt, Split, Task, UserError


def task(counts: tuple[int, ...] = (30, 50, 40), **more: Split) -> Task:
    rows = [Example({"text": f"{label} {i}"}, label) for label, count in enumerate(counts) for i in range(count)]
    names = tuple(f"label {i}" for i in range(len(counts)))
    return Task("t", (Prompt("{text}", names, names),), {"train": Split(lambda: rows, "train"), **more})


@given(seed=st.integers(0, 10**6), shots=st.integers(0, 90))
def test_labels_are_as_balanced_as_the_number_of_shots_allows(seed, shots):
    counts = Counter(example.label for example in draw(task(), shots, seed).labelled)
    assert sum(counts.values()) == shots
    assert max(counts.get(i, 0) for i in range(3)) - min(counts.get(i, 0) for i in range(3)) <= 1


@given(seed=st.integers(0, 10**6), few=st.integers(0, 45), more=st.integers(0, 45))
def test_a_smaller_draw_begins_a_larger_one(seed, few, more):
    assert draw(task(), few + more, seed).indices[:few] == draw(task(), few, seed).indices


@given(seed=st.integers(0, 10**6))
def test_the_unlabelled_inputs_have_no_label_and_are_no_shots(seed):
    shots = draw(task(), 16, seed)
    assert all(example.label is None for example in shots.unlabelled)
    assert not {e.fields["text"] for e in shots.unlabelled} & {e.fields["text"] for e in shots.labelled}


def test_a_users_unlabelled_file_is_taken_before_the_training_set():
    own = Split(lambda: [Example({"text": "mine"})], "unlabelled")
    assert [e.fields["text"] for e in draw(task(unlabelled=own), 16, 0).unlabelled] == ["mine"]


def test_every_source_of_chance_has_a_seed_of_its_own():
    seeds = [seeds_of(number) for number in range(200)]
    assert len({value for s in seeds for value in (s.data, s.order, s.init, s.dropout)}) == 800


def test_seeds_that_draw_the_same_examples_are_refused():
    with pytest.raises(UserError, match=r"seeds 0 and 1 draw the same 4 examples of t: ask for fewer shots or seeds"):
        check_distinct(task((2, 2)), 4, [0, 1])
    check_distinct(task(), 16, range(10))


def test_more_shots_than_there_are_is_said_with_the_rarest_label():
    with pytest.raises(UserError, match=r"t has 90 balanced training examples, not 96 \(fewest of label 0\)"):
        draw(task(), 96, 0)


def test_a_label_without_examples_is_named():
    with pytest.raises(UserError, match="the training examples of task t have none of label 1"):
        draw(task((3, 0)), 2, 0)
