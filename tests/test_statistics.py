"""Statistics against numbers worked out by hand or by scipy and scikit-learn."""

import pytest

from inweights.report.statistics import (
    accuracy,
    break_even,
    confusion,
    constant,
    front,
    holm,
    majority,
    mcc,
    over_seeds,
    paired_p,
)
from inweights.types import Outcome
from tests.sample_records import answered


def outcome(gold: str, predicted: str) -> Outcome:
    return answered(tuple(map(int, gold)), tuple(map(int, predicted)), "012")


def test_the_interval_over_seeds_is_students():
    # Mean .7, s = .1, n = 3: half width t(.975, 2) * .1 / sqrt(3) = 4.302653 * .057735.
    interval = over_seeds([0.6, 0.7, 0.8], 100)
    assert interval.mean == pytest.approx(0.7)
    assert interval.high - interval.mean == pytest.approx(0.248414, abs=1e-5)


def test_one_seed_gets_wilsons_interval_over_its_examples():
    # 8 of 10: the textbook's (.4902, .9433).
    interval = over_seeds([0.8], 10)
    assert (interval.low, interval.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_matthews_correlation_equals_scikit_learns():
    metrics = pytest.importorskip("sklearn.metrics")
    one = outcome("0012210120", "0011210220")
    assert mcc(one) == pytest.approx(metrics.matthews_corrcoef(one.gold, one.answers))
    assert mcc(outcome("0101", "1111")) == 0.0


def test_counts_by_hand():
    one = outcome("0001", "0111")
    assert accuracy(one) == 0.5
    assert majority(one) == 0.75
    assert confusion(one, "01") == [[1, 2], [0, 1]]
    assert not constant(one)
    assert constant(outcome("0001", "1111"))


def test_break_even_is_where_the_costs_cross():
    # 10 s more to adapt, 90 ms less per query: 111.1 queries.
    assert break_even(10.5, 0.01, 0.5, 0.1) == 112
    assert break_even(10.5, 0.1, 0.5, 0.1) is None


def test_holm_multiplies_the_smallest_by_their_number_and_never_falls():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})


def test_a_point_beaten_on_both_is_not_on_the_front():
    assert front({"a": (1, 0.5), "b": (2, 0.4), "c": (3, 0.9), "d": (1, 0.3)}) == ["a", "c"]


def test_a_method_ties_with_itself_and_not_with_one_far_better():
    right = {seed: [True] * 90 + [False] * 10 for seed in range(5)}
    wrong = {seed: [True] * 40 + [False] * 60 for seed in range(5)}
    assert paired_p(right, right) == 1.0
    assert paired_p(right, wrong) < 0.01
    assert paired_p(right, {9: [True] * 100}) is None
