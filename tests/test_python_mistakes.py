"""What goes wrong from Python is said in one line: names that stand for two things, studies that are damaged or lost."""

from dataclasses import replace

import pytest

import inweights
from inweights import METHODS, Weights, compare
from inweights.cli import main
from inweights.exports import About
from inweights.exports.export import write
from inweights.exports.refit import planned_again
from inweights.models import load
from inweights.study.given_models import named_models
from inweights.study.spec import read_spec, spec_of
from inweights.types import UserError
from tests.exports import CHECKS, in_context
from tests.test_python_api import GRID, ROWS, LastShots, own_task
from tests.tiny import folder, tiny

PLAIN = {"task": "made-topic", "methods": "icl", "shots": 4, "seeds": 1, "limit": 4}


@pytest.fixture(scope="module")
def of_own(tmp_path_factory):
    out = tmp_path_factory.mktemp("own")
    return compare(model=str(folder("gpt2")), task=own_task(), methods=[LastShots()], shots=4, seeds=1, out=out)


def test_two_methods_of_one_class_in_a_list_are_refused():
    with pytest.raises(UserError, match="two methods are called lastshots: give a dict of methods by name"):
        compare(model=str(folder("gpt2")), task=own_task(), methods=[LastShots(), LastShots(count=4)], dry_run=True)


def test_one_method_given_by_name_and_as_an_object_is_one():
    study = compare(model=str(folder("gpt2")), **{**PLAIN, "methods": ["icl", METHODS["icl"]]}, dry_run=True)
    assert len(study.settings) == 1


def test_a_loaded_model_stands_beside_its_name_in_another_dtype():
    loaded, name = tiny("gpt2"), str(folder("gpt2"))
    study = compare(model=[loaded, f"{name}@bf16"], **PLAIN)
    assert [each.run.weights.dtype for each in study.records] == ["fp32", "bf16"]
    assert [each.environment["dtype"] for each in study.records] == ["fp32", "bf16"]


def test_a_name_twice_with_one_of_them_loaded_is_refused(tmp_path):
    loaded = tiny("gpt2")
    again = f"{loaded.card.name}@{loaded.card.dtype}"
    with pytest.raises(UserError, match=r"two models are called .*@fp32, and one of them is loaded already"):
        named_models([loaded, again], tmp_path)
    with pytest.raises(UserError, match="two models are called"):
        named_models([loaded, loaded.card.name], tmp_path, loaded.card.dtype)
    assert len(named_models([loaded, loaded], tmp_path)[1]) == 1


def test_a_study_of_own_objects_says_why_it_cannot_be_planned_again(of_own, capsys):
    opened = inweights.open(of_own.folder)
    assert repr(opened) == f"Study({str(of_own.folder)!r}, 1 records)"
    assert opened.records == of_own.records
    for use in (opened.plan, opened.answers, lambda: opened.fit("lastshots")):
        with pytest.raises(UserError, match="its runs cannot be planned again: there is no task 'mine'"):
            use()
    with pytest.raises(SystemExit) as done:
        main(["report", str(of_own.folder), "--format", "jsonl"])
    assert done.value.code == 2
    assert "there is no task 'mine'" in capsys.readouterr().err


def test_a_method_of_ones_own_is_exported_from_python_alone(of_own):
    with pytest.raises(UserError, match=r"lastshots is a method of your own: export it from Python with inweights\.export"):
        planned_again(of_own.folder, of_own.records[0].run)
    builtin = replace(of_own.records[0].run, method="icl")
    with pytest.raises(
        UserError, match=r"the task 'mine' was a Task object, .*: export it from Python with inweights\.export"
    ):
        planned_again(of_own.folder, builtin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", r"study\.json cannot be read \(.*\): give `inweights compare` again"),
        ("[]", r"study\.json holds no keys and values: give `inweights compare` again"),
        ('{"sots": [4]}', r"study\.json has an unknown key 'sots'; did you mean shots"),
        ('{"learned": "notes"}', r"is the work of a learned context: `inweights report .*/notes` shows it"),
    ],
)
def test_a_damaged_study_file_is_said_in_one_line(tmp_path, text, message):
    work = tmp_path / "notes.work"
    work.mkdir()
    (work / "study.json").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        inweights.open(work)
    assert "\n" not in str(caught.value)


def test_a_study_file_that_is_not_text_is_said_in_one_line(tmp_path):
    (tmp_path / "study.json").write_bytes(b"\xff\xfe")
    with pytest.raises(UserError, match="cannot be read"):
        read_spec(tmp_path)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"task": 3}, "3 is not a task: expected a name"),
        ({"task": [3]}, "3 is not a task: expected a name"),
        ({"set": ["x"]}, r"set is \['x'\]: expected a dict, such as"),
        ({"ood": ROWS}, "ood is .*: expected a dict, such as"),
        ({"columns": ["x"]}, r"columns is \['x'\]: expected a dict"),
        ({"methods": 3}, "3 is not a method"),
        ({"shots": 2.5}, "shots.0 is 2.5"),
        ({"seeds": 2.5}, r"seeds is \[2.5\]: expected a number"),
        ({"train": [{"text": b"x", "label": "a"}]}, "train, row 0: text is a bytes: expected text, a number or None"),
        ({"ood": {"a/b": ROWS}}, "the out-of-domain set 'a/b' has a path separator in its name"),
    ],
)
def test_a_parameter_of_another_type_is_refused_in_one_line(given, message):
    with pytest.raises(UserError, match=message):
        compare(**{"model": str(folder("gpt2")), "train": ROWS, "test": ROWS, **GRID, **given}, dry_run=True)


def test_a_suffix_that_is_no_dtype_is_refused_where_the_name_is_known():
    for name in ("embedded", str(folder("gpt2"))):
        with pytest.raises(UserError, match="'fp8' is not a dtype: expected fp32, bf16 or fp16"):
            spec_of({"model": f"{name}@fp8"})


@pytest.mark.parametrize(
    "verb",
    [
        ("learn", "notes.txt", "-o", "out"),
        ("probe", "notes.txt"),
        ("methods",),
        ("eval", "export", "--test", "test.jsonl"),
        ("predict", "export", "a text"),
    ],
)
def test_a_suffix_that_is_no_dtype_is_refused_by_every_verb_that_takes_a_model(verb, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("The lamp is in the old house near the river.")
    if "export" in verb:
        base = tiny("gpt2")
        write(in_context(base), make(tmp_path / "export"), CHECKS[:1], About())
    with pytest.raises(SystemExit) as done:
        main([*verb, "--model", "smollm2@fp8"])
    said = capsys.readouterr().err
    assert (done.value.code, said) == (2, "inweights: 'fp8' is not a dtype: expected fp32, bf16 or fp16\n")


def make(folder):
    folder.mkdir()
    return folder


def test_a_model_is_loaded_in_the_dtype_of_its_name():
    assert load(f"{folder('gpt2')}@bf16").card.dtype == "bf16"
    with pytest.raises(UserError, match="quantized weights"):
        load(f"{folder('gpt2')}@nf4")


def test_a_folder_with_an_at_sign_in_its_name_is_a_model(tmp_path):
    (tmp_path / "gpt2").mkdir()
    (tmp_path / "gpt2@new").mkdir()
    assert Weights.parse(str(tmp_path / "gpt2@new")) == Weights(str(tmp_path / "gpt2@new"))
