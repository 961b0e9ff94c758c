"""Statistics against numbers worked out by hand or by scipy and scikit-learn."""

from dataclasses import replace

import pytest

from inweights.report.statistics import (
    accuracy,
    break_even,
    confusion,
    constant,
    did_not_train,
    front,
    holm,
    majority,
    mcc,
    over_seeds,
    over_seeds_and_examples,
    paired_p,
)
from inweights.types import Outcome
from tests.sample_records import answered, record


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


def test_seeds_that_agree_have_the_interval_of_their_examples():
    # Wilson's for 8 of 10; an interval over the seeds alone would have no width.
    right = [1.0] * 8 + [0.0] * 2
    for seeds in (1, 3):
        interval = over_seeds_and_examples(dict.fromkeys(range(seeds), right))
        assert (interval.low, interval.high) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_the_distances_over_seeds_and_over_examples_add_in_squares():
    # Seed means .6, .7, .8: half width .248414 over seeds, as above. Every example is right as often as any other but
    # for the one that turns: the examples' part is Wilson's.
    table = {seed: [1.0] * right + [0.0] * (10 - right) for seed, right in enumerate((6, 7, 8))}
    interval = over_seeds_and_examples(table)
    means = [1.0] * 6 + [2 / 3, 1 / 3] + [0.0] * 2
    variance = sum((each - 0.7) ** 2 for each in means) / 10
    n, z = 10 * 0.21 / variance, 1.959964
    low = (0.7 + z * z / (2 * n)) / (1 + z * z / n) - z / (1 + z * z / n) * (0.21 / n + z * z / (4 * n * n)) ** 0.5
    assert interval.mean == pytest.approx(0.7)
    assert interval.low == pytest.approx(0.7 - ((0.7 - low) ** 2 + 0.248414**2) ** 0.5, abs=1e-5)


def test_no_interval_of_a_finite_sample_is_without_width():
    interval = over_seeds_and_examples({seed: [1.0] * 20 for seed in range(3)})
    assert interval.low < 0.9
    assert interval.high == 1.0


def test_a_flat_loss_or_one_answer_to_everything_is_told_from_training():
    learned = replace(record("pbft"), losses=(2.0, 1.5, 1.0, 0.5, 0.2, 0.1))
    assert not did_not_train(learned)
    assert did_not_train(replace(learned, losses=(0.7, 0.69, 0.71, 0.7, 0.69, 0.7)))
    gold = (0, 1) * 10
    assert did_not_train(replace(learned, outcomes={"dev": answered(gold, (0,) * 20, "ab")}))
    assert not did_not_train(record("icl"))
