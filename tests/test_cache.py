"""Work that is kept on disk, and typed values from JSON."""

import pytest
import torch

from inweights.cache import Cache, Tables, digest
from inweights.restored import restored
from inweights.types import Outcome, Weights


def never():
    raise AssertionError("this is kept already")


def test_values_and_tables_are_made_once_and_come_back_as_they_were(tmp_path):
    cache, made = (
        Cache(tmp_path / "deep" / "down"),
        Tables(tuple(torch.rand(2, 3) for _ in range(12)), {"bare": [0.5, 1e-9]}),
    )
    assert cache.values("a", lambda: [1, "zwei"]) == cache.values("a", never) == [1, "zwei"]
    assert cache.tables(("model", 3), lambda: made) is made
    found = cache.tables(("model", 3), never)
    assert found.values == made.values
    assert all(torch.equal(one, other) for one, other in zip(found.tensors, made.tensors, strict=True))


def test_what_follows_from_something_else_is_another_file(tmp_path):
    cache = Cache(tmp_path)
    cache.values(("model", 3), lambda: 1)
    assert cache.values(("model", 4), lambda: 2) == 2
    assert cache.find(("model", 3)) is None
    assert {path.name for path in tmp_path.iterdir()} == {f"{digest(('model', each))}.json" for each in (3, 4)}


def test_work_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(AssertionError):
        Cache(tmp_path).tables("a", never)
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_its_annotation_does_not_allow_is_refused():
    good = {"domain": "in-domain", "scores": [1, 0.5], "answers": ["a", "b"], "gold": ["a", "c"]}
    found = restored(Outcome, good)
    assert found == Outcome("in-domain", (1.0, 0.5), ("a", "b"), ("a", "c"))
    assert [type(each) for each in found.scores] == [float, float]
    for changed, error in (
        ({"domain": "elsewhere"}, ValueError),
        ({"scores": [1.0, "x"]}, TypeError),
        ({"scores": 1.0}, TypeError),
        ({"surprise": 1}, ValueError),
    ):
        with pytest.raises(error):
            restored(Outcome, good | changed)
    with pytest.raises(KeyError, match="name"):
        restored(Weights, {})
