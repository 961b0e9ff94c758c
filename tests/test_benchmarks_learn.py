"""The benchmarks of learning a context: their documents, what they withhold, and that their quick forms run."""

import pytest

from benchmarks.__main__ import BENCHMARKS
from benchmarks.bench import Options
from benchmarks.learn_made import every_question, made
from benchmarks.learn_withheld import withheld
from tests.tiny import folder


def test_every_fact_of_a_document_is_among_the_questions_in_both_wordings():
    asked = {each.text for each in every_question()}
    tests = [each for each in made(60, seed=0).tests if each.kind != "absent"]
    assert len(asked) == 20 * 48 * 2
    assert len(tests) == 60 * 2
    assert {each.text for each in tests} <= asked


def test_a_conflicting_piece_names_somebody_else_for_every_deed():
    document = made(20, seed=0)
    right = {each.text: each.gold for each in document.tests}
    for piece in document.conflicting:
        assert all(right[each.text] != each.gold for each in piece.questions)


def test_absent_questions_are_about_no_fact():
    document = made(200, seed=0)
    told = {each.text for each in document.tests if each.kind != "absent"}
    assert not [each for each in document.tests if each.kind == "absent" and each.text in told]


def test_of_20_facts_two_are_never_asked_and_eight_in_one_wording_only():
    held = withheld(made(20, seed=0), seed=0)
    kinds = [each.kind for each in held.tests]
    assert (kinds.count("facts never asked"), kinds.count("wordings never asked")) == (2 * 2, 8)
    assert not {each.text for each in held.tests} & {each.text for each in held.asked}
    assert len(held.asked) == pytest.approx(0.7 * 20 * 48 * 2, abs=2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["learn-lora", "learn-kv", "learn-window", "learn-next-token", "learn-teacher"])
def test_its_quick_form_gives_rows_with_their_goals(name: str) -> None:
    benchmark = BENCHMARKS[name]
    rows = benchmark.run(Options(quick=True), benchmark.goal)
    assert rows
    assert all(row.goal > 0 and row.ratio >= 0 for row in rows)


def test_a_manual_is_learned_and_judged_in_its_quick_form(tmp_path):
    """With a tiny random model in the place of the real one."""
    (tmp_path / "smollm2-135m-instruct").symlink_to(folder("llama"))
    benchmark = BENCHMARKS["real-learn"]
    rows = benchmark.run(Options(models=tmp_path, quick=True), benchmark.goal)
    assert [row.more["variant"] for row in rows] == [
        "share of what the teacher answers right",
        "right",
        "right, context in the prompt",
        "other contexts read as before",
        "all, measuring included",
    ]
    found = rows[0].more
    assert set(found["scores"]) == {"alone", "icl-piece", "rag", "distilled (lora)"}, "the whole text does not fit"
    assert found["seconds"]["all"] > found["seconds"]["evaluation"] > 0
    assert len(found["answers"]) == found["questions"] == 3
