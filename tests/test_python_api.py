"""Studies from Python: what `compare` takes besides names, and what a study gives back."""

import inspect
import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

import inweights
from inweights import METHODS, Example, Prompt, Task, Weights, compare
from inweights.cli import main
from inweights.exports import load
from inweights.methods.in_context import InContext
from inweights.records import read_folder
from inweights.report.rows import rows_of
from inweights.study.spec import Spec
from inweights.types import Split, UserError
from tests.tiny import folder, tiny

ROWS = [
    {"text": f"{opinion} the {thing}", "label": label}
    for thing in ("cook", "house", "king", "lamp")
    for opinion, label in (("I like", "good"), ("what a great", "good"), ("I hate", "bad"), ("what a terrible", "bad"))
]
GRID = {"methods": "icl", "shots": 4, "seeds": 1, "pattern": "{text} It was"}


def figures(study):
    return [(each.run.method, {n: o.answers for n, o in each.outcomes.items()}) for each in study.records]


@pytest.fixture(scope="module")
def of_rows():
    return compare(model=str(folder("gpt2")), train=ROWS, test=ROWS[:6], **GRID)


def pandas_frame():
    return pytest.importorskip("pandas").DataFrame(ROWS)


def dataset():
    return pytest.importorskip("datasets").Dataset.from_list(ROWS)


def numbered():
    """Labels as a dataset of the hub has them."""
    sets = pytest.importorskip("datasets")
    features = sets.Features({"text": sets.Value("string"), "label": sets.ClassLabel(names=["bad", "good"])})
    return sets.Dataset.from_list([{**row, "label": ["bad", "good"].index(row["label"])} for row in ROWS], features=features)


@pytest.mark.parametrize("table", [pandas_frame, dataset, numbered], ids=lambda make: make.__name__)
def test_a_table_in_memory_is_one_whatever_its_class(table, of_rows):
    study = compare(model=folder("gpt2"), train=table(), test=ROWS[:6], **GRID)
    assert figures(study) == figures(of_rows)


def test_a_file_may_be_a_path(tmp_path, of_rows):
    import csv

    for name, rows in (("train", ROWS), ("test", ROWS[:6])):
        with (tmp_path / f"{name}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"])
            writer.writeheader()
            writer.writerows(rows)
    study = compare(model=Weights(str(folder("gpt2"))), train=tmp_path / "train.csv", test=tmp_path / "test.csv", **GRID)
    assert figures(study) == figures(of_rows)


def test_a_loaded_backbone_is_used_as_it_is(of_rows):
    assert figures(compare(model=tiny("gpt2"), train=ROWS, test=ROWS[:6], **GRID)) == figures(of_rows)


def test_a_transformers_model_and_its_tokenizer_are_a_model(tmp_path, of_rows):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    pair = AutoModelForCausalLM.from_pretrained(folder("gpt2")), AutoTokenizer.from_pretrained(folder("gpt2"))
    study = compare(model=pair, train=ROWS, test=ROWS[:6], out=tmp_path, **GRID)
    assert figures(study) == figures(of_rows)
    assert figures(inweights.open(tmp_path)) == figures(of_rows)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"model": 3}, "int is not a model"),
        ({"methods": [3]}, "3 is not a method: expected a name"),
        ({"train": 3}, "train is a int: expected a file's path, a list of dicts"),
        ({"seeds": [0, 2]}, r"seeds is \[0, 2\]: expected a number, or seeds in a row"),
    ],
)
def test_what_is_none_of_these_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message):
        compare(**{"model": str(folder("gpt2")), "task": "made-topic", **given})


def own_task() -> Task:
    def examples() -> tuple[Example, ...]:
        return tuple(Example({"text": row["text"]}, ("bad", "good").index(row["label"])) for row in ROWS)

    prompt = Prompt("{text} It was", ("bad", "good"), ("bad", "good"))
    return Task("mine", (prompt,), {"train": Split(examples, "train"), "test": Split(examples, "in-domain")})


@dataclass(frozen=True)
class LastShots:
    """In-context learning with the last shots alone."""

    needs = frozenset({"choices"})
    count: int = 2

    def fit(self, model, prompt, shots, budget):
        last = [replace(each, labelled=each.labelled[-self.count :]) for each in shots]
        return InContext().fit(model, prompt, last, budget)


def test_a_method_and_a_task_of_ones_own_go_through_compare_plan_fit_and_open(tmp_path):
    grid = {"model": str(folder("gpt2")), "task": own_task(), "shots": 4, "seeds": 2}
    methods = {"mine": LastShots(), "icl": METHODS["icl"]}
    planned = compare(**grid, methods=methods, dry_run=True)
    assert "mine mine 4 shots seed 0" in planned.plan()
    study = compare(**grid, methods=methods, out=tmp_path)
    assert {(each.run.method, each.status) for each in study.records} == {("mine", "ok"), ("icl", "ok")}
    fitted = study.fit("mine")
    assert len(fitted.readout.demonstrations) == 2
    [answer] = fitted.predict([{"text": "I like the king"}])
    assert sum(answer.probabilities.values()) == pytest.approx(1)
    assert answer == fitted.predict(["I like the king"])[0]
    # Its tasks and methods are not to be had from the folder; what was measured is.
    assert len(inweights.open(tmp_path).records) == 4


def test_a_method_of_ones_own_with_another_setting_is_another_run(tmp_path):
    grid = {"model": str(folder("gpt2")), "task": own_task(), "shots": 4, "seeds": 1, "out": tmp_path}
    compare(**grid, methods={"mine": LastShots()})
    again = compare(**grid, methods={"mine": LastShots(count=4)})
    assert [each.run.settings for each in again.records] == [{"count": "4"}]
    both = rows_of(read_folder(tmp_path))
    assert sorted(row.method for row in both) == ["mine", "mine (count=4)"]
    set_so = compare(**grid, methods={"mine": LastShots()}, set={"mine.count": 4})
    assert [each.run for each in set_so.records] == [each.run for each in again.records]


def test_a_study_is_a_table_a_figure_and_a_page(of_rows):
    pytest.importorskip("pandas")
    frame = of_rows.to_dataframe()
    assert list(frame["method"]) == ["icl"]
    assert frame["accuracy"][0] == pytest.approx(sum(of_rows.records[0].outcomes["test"].scores) / 6)
    assert list(of_rows.plot().data[0].y) == ["icl, 4 shots"]
    assert of_rows.page().is_file()


def test_a_study_is_opened_again_with_its_runs(tmp_path):
    study = compare(model=str(folder("gpt2")), task="made-topic", methods="icl", shots=4, seeds=1, limit=4, out=tmp_path)
    opened = inweights.open(tmp_path)
    assert opened.settings[0].run == study.settings[0].run
    assert opened.records == study.records
    with pytest.raises(UserError, match="is not a study"):
        inweights.open(tmp_path / "nowhere")


def test_every_answer_can_be_looked_at_with_its_example(of_rows, capsys):
    found = list(of_rows.answers())
    assert [each["fields"]["text"] for each in found] == [row["text"] for row in ROWS[:6]]
    assert [each["gold"] for each in found] == [row["label"] for row in ROWS[:6]]
    assert all(each["score"] == (each["answer"] == each["gold"]) for each in found)
    with pytest.raises(SystemExit) as done:
        main(["report", str(of_rows.folder), "--format", "jsonl"])
    assert not done.value.code
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == found


def test_a_study_and_what_is_fitted_are_short_to_look_at(of_rows):
    assert repr(of_rows) == f"Study({str(of_rows.folder)!r}, 1 of 1 runs done)"
    assert len(repr(of_rows.fit("icl"))) < 200


def test_every_key_of_a_study_stands_in_the_signature_and_in_the_docstring():
    parameters = inspect.signature(compare).parameters
    assert set(Spec.model_fields) <= set(parameters)
    for name in parameters:
        assert f" {name}" in (compare.__doc__ or ""), name


def test_progress_is_shown_where_it_is_asked_for(capsys):
    compare(model=str(folder("gpt2")), task="made-topic", methods="icl", shots=4, seeds=1, limit=4, progress=True)
    assert "[1/1] made-topic icl 4 shots seed 0" in capsys.readouterr().err


def test_the_surface_is_listed_and_costs_nothing_until_it_is_used():
    code = "import sys, inweights; print(*dir(inweights)); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1]
    )
    names, heavy = done.stdout.splitlines()
    assert {"compare", "open", "load", "learn", "export", "METHODS", "UPDATES", "Task", "Weights"} <= set(names.split())
    assert heavy == "False"


@pytest.mark.parametrize("name", inweights.__all__)
def test_every_public_name_is_there(name):
    assert getattr(inweights, name)


def test_a_run_of_a_study_of_objects_is_exported_and_answers_the_same(tmp_path):
    study = compare(model=str(folder("gpt2")), task=own_task(), methods={"mine": LastShots()}, shots=4, seeds=1)
    inweights.export(study, tmp_path / "out", method="mine")
    texts = ["I like the king", "I hate the old lamp"]
    for one, other in zip(load(tmp_path / "out").predict(texts), study.fit("mine").predict(texts), strict=True):
        assert one.label == other.label
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-4)
