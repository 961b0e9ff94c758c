"""What is suggested where an untrained model gives one answer to everything."""

from dataclasses import replace

from inweights.report.hints import constant_answers
from inweights.types import Weights
from tests.sample_records import LABELS, answered, record


def constant(method):
    outcomes = {"dev": answered((0, 1, 0), (1, 1, 1), LABELS)}
    made = record(method, examples=4)
    return replace(made, outcomes=outcomes, run=replace(made.run, prompt="it-was"))


def test_constant_answers_name_the_pattern_how_many_others_exist_and_what_to_try():
    [line] = constant_answers([constant("zero-shot"), constant("icl"), constant("pbft")], {"rte": 5})
    assert line == (
        "rte: zero-shot and icl by the pattern it-was gave one answer to a whole set; 4 other patterns exist "
        "(--patterns), or try icl+batch, which takes a constant preference for an answer out"
    )
    [line] = constant_answers([constant("icl")], {"rte": 1})
    assert line.endswith("a whole set; try icl+batch, which takes a constant preference for an answer out")


def test_the_calibration_that_is_suggested_is_of_what_is_constant_and_was_not_compared():
    [line] = constant_answers([constant("zero-shot")], {"rte": 1})
    assert line.endswith("; try zero-shot+batch, which takes a constant preference for an answer out")
    compared = of_method(constant("icl"), method="icl+batch")
    assert constant_answers([constant("icl"), compared], {"rte": 1}) == []
    [line] = constant_answers([constant("icl"), compared], {"rte": 2})
    assert line.endswith("gave one answer to a whole set; 1 other pattern exists (--patterns)")


def test_in_a_study_of_several_models_a_suggestion_names_the_model():
    [line] = constant_answers([constant("icl"), of_method(record("icl"), weights=Weights("other"))], {"rte": 1})
    assert line.startswith("rte, tiny: icl by the pattern it-was gave")


def of_method(made, **changes):
    return replace(made, run=replace(made.run, **changes))


def test_nothing_is_suggested_where_answers_differ_or_the_method_trains():
    assert constant_answers([record("icl", examples=40), constant("pbft")], {"rte": 3}) == []


def test_patterns_among_which_one_was_chosen_are_not_suggested_again():
    chosen = replace(of_method(constant("icl"), prompt="it-was,review"), notes={"tuned_pattern": "review"})
    [line] = constant_answers([chosen], {"rte": 5})
    assert line.startswith("rte: icl by the pattern review gave one answer to a whole set; 3 other patterns exist")
