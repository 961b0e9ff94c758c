"""What is suggested where an untrained model gives one answer to everything."""

from dataclasses import replace

from inweights.report.hints import constant_answers
from tests.sample_records import LABELS, answered, record


def constant(method):
    outcomes = {"dev": answered((0, 1, 0), (1, 1, 1), LABELS)}
    made = record(method, examples=4)
    return replace(made, outcomes=outcomes, run=replace(made.run, prompt="it-was"))


def test_constant_answers_name_the_pattern_how_many_others_exist_and_what_to_try():
    [line] = constant_answers([constant("zero-shot"), constant("icl"), constant("pbft")], {"rte": 5})
    assert line == (
        "rte: zero-shot and icl by the pattern it-was gave one answer to a whole set; 4 other patterns exist "
        "(--pattern-name), or try icl+batch, which takes a constant preference for an answer out"
    )
    [line] = constant_answers([constant("icl")], {"rte": 1})
    assert line.endswith("a whole set; try icl+batch, which takes a constant preference for an answer out")


def test_nothing_is_suggested_where_answers_differ_or_the_method_trains():
    assert constant_answers([record("icl", examples=40), constant("pbft")], {"rte": 3}) == []
