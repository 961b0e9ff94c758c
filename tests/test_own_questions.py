"""The questions that two small models wrote about two documents, with a reader's verdicts."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks import __file__ as place

ROWS = json.loads((Path(place).parent / "data" / "own_questions.json").read_text(encoding="utf-8"))


def share(rows: list[dict[str, str]]) -> float:
    verdicts = Counter(each["verdict"] for each in rows)
    assert set(verdicts) <= {"good", "clumsy", "bad"}
    return (verdicts["good"] + verdicts["clumsy"]) / len(rows)


@pytest.mark.parametrize("model", sorted({each["model"] for each in ROWS}))
def test_four_of_five_questions_that_pass_the_filter_are_about_the_text(model):
    rows = [each for each in ROWS if each["model"] == model]
    assert share([each for each in rows if each["filter"] == "after"]) >= 0.8
    assert share([each for each in rows if each["filter"] == "before"]) < 0.5


def test_fifty_questions_are_judged_before_and_after_the_filter():
    assert Counter(each["filter"] for each in ROWS) == {"before": 50, "after": 50}
    assert {each["document"] for each in ROWS} <= {path.name for path in (Path(place).parent / "data").iterdir()}
