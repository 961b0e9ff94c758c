"""Settings of a method as text: read, changed, and said clearly where they are wrong."""

from dataclasses import dataclass, replace
from typing import Literal

import pytest

from inweights.methods import METHODS, method
from inweights.settings import changed, settings
from inweights.types import UserError


@dataclass(frozen=True)
class Inner:
    rank: int = 8
    targets: str = "all"


@dataclass(frozen=True)
class Outer:
    inner: Inner = Inner()
    lr: float = 0.1
    limit: int | None = None
    kind: Literal["a", "b"] = "a"
    layers: tuple[int, ...] = (1, 2)
    deep: bool = False


def test_settings_are_laid_flat_by_dotted_path():
    assert settings(Outer()) == {
        "inner": "Inner",
        "inner.rank": 8,
        "inner.targets": "all",
        "lr": 0.1,
        "limit": None,
        "kind": "a",
        "layers": [1, 2],
        "deep": False,
    }


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("inner.rank", "4", Outer(Inner(4))),
        ("inner.targets", "q|v", Outer(Inner(targets="q|v"))),
        ("lr", "1e-4", Outer(lr=1e-4)),
        ("limit", "7", Outer(limit=7)),
        ("limit", "None", Outer()),
        ("kind", "b", Outer(kind="b")),
        ("layers", "3,4,5", Outer(layers=(3, 4, 5))),
        ("deep", "true", Outer(deep=True)),
    ],
)
def test_a_setting_is_read_as_its_fields_type(path, text, expected):
    assert changed(Outer(), path, text) == expected


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("inner.rnak", "4", "Inner has no setting 'rnak'; did you mean 'rank'?"),
        ("zzz", "4", "Outer has no setting 'zzz'; it has inner, lr, limit, kind, layers, deep"),
        ("inner", "4", "'inner' is a group of settings, not a value; set one of its own: rank, targets"),
        ("inner.rank", "four", "'four' is not a valid inner.rank: expected an integer"),
        ("lr", "fast", "'fast' is not a valid lr: expected a number"),
        ("lr", "nan", "'nan' is not a valid lr: expected a number"),
        ("limit", "x", "'x' is not a valid limit: expected an integer or none"),
        ("kind", "c", "'c' is not a valid kind: expected one of a, b"),
        ("deep", "yes", "'yes' is not a valid deep: expected true or false"),
        ("lr.x", "1", "'lr.x' is not a setting: 'lr' is a value, not a group of settings"),
    ],
)
def test_a_mistake_says_what_was_given_and_what_is_wanted(path, text, message):
    with pytest.raises(UserError) as error:
        changed(Outer(), path, text)
    assert str(error.value) == message


def test_a_group_without_settings_says_so_instead_of_listing_none():
    with pytest.raises(UserError, match=r"^'update' is a group of settings, not a value; Full has none$"):
        changed(METHODS["pbft"], "update", "lora")


def test_a_method_is_found_by_name_and_its_settings_are_changed():
    rank = method("pbft+lora", {"update.rank": "4", "schedule.lr": "1e-4"})
    own = METHODS["pbft+lora"]
    assert rank == replace(own, update=replace(own.update, rank=4), schedule=replace(own.schedule, lr=1e-4))
    assert own.update.rank == 8
    assert method("pbft+full") == METHODS["pbft"]


def test_a_learning_rate_that_is_given_is_taken_as_it_is_for_any_width_of_backbone():
    assert METHODS["pbft"].schedule.width == 384
    assert method("pbft", {"schedule.lr": "1e-5"}).schedule.on(4096).lr == 1e-5
    assert method("pbft", {"schedule.lr": "1e-5", "schedule.width": "2048"}).schedule.on(4096).lr == 5e-6


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pbtf+lora", "there is no method 'pbtf+lora'; did you mean pbft+lora?"),
        ("icl+full", "there is no method 'icl+full'; did you mean icl?"),
        ("xxxxxxx", "there is no method 'xxxxxxx'; there are zero-shot, zero-shot+contextual, "),
    ],
)
def test_an_unknown_method_names_the_nearest(name, message):
    with pytest.raises(UserError) as error:
        method(name)
    assert str(error.value).startswith(message)


def test_a_value_that_a_method_cannot_work_with_is_refused_by_name():
    with pytest.raises(UserError, match=r"schedule\.lr is -1\.0: expected above 0"):
        method("pbft", {"schedule.lr": "-1"})
    with pytest.raises(UserError, match=r"update\.rank is 0: expected at least 1"):
        method("pbft+lora", {"update.rank": "0"})
    with pytest.raises(UserError, match="'all' is not a valid targets: expected one of labels, top_k, vocabulary"):
        method("distill", {"targets": "all"})
