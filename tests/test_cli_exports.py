"""From a study's folder to an export that answers: `best`, `predict` and `eval` on the command line."""

import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inweights.cli import main
from inweights.exports import load
from inweights.study import Study, compare
from tests.tiny import folder

Call = Callable[..., tuple[int, str, str]]
METHODS = ("zero-shot", "icl+ensemble", "pbft", "pbft+lora", "vanilla+bitfit", "vanilla")


def rows(count: int, seed: int) -> str:
    """Reviews whose label is one word, so that training finds it."""
    rng = random.Random(seed)
    words = ["cook", "king", "old", "house", "money", "lamps", "doctor", "judge"]
    made = []
    for number in range(count):
        label = ("bad", "good")[number % 2]
        text = [*rng.sample(words, 3), {"good": "great", "bad": "terrible"}[label]]
        made.append(json.dumps({"review": " ".join(rng.sample(text, 4)), "label": label}) + "\n")
    return "".join(made)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    place = tmp_path_factory.mktemp("study")
    for name, count in (("train", 40), ("test", 20), ("far", 12)):
        (place / f"{name}.jsonl").write_text(rows(count, len(name)))
    return compare(
        str(folder("opt")),
        methods=list(METHODS),
        shots=[8],
        seeds=3,
        train=str(place / "train.jsonl"),
        test=str(place / "test.jsonl"),
        ood={"far": str(place / "far.jsonl")},
        pattern="{review} Sentiment:",
        steps=20,
        out=place / "study",
    )


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """Exit code, standard output, standard error of a command."""

    def called(*arguments: object, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(stdin))
        with pytest.raises(SystemExit) as ended:
            main([str(each) for each in arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called


@pytest.fixture(scope="module", params=METHODS)
def handed_out(request: pytest.FixtureRequest, study: Study, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every method of the study in turn, by what `best --export` does, without the fresh process."""
    from inweights.exports.export import write

    place: Path = tmp_path_factory.mktemp("out")
    write(*_refitted(study, request.param, place))
    return place


def _refitted(study: Study, method: str, place: Path) -> tuple[Any, ...]:
    """What `write` takes to export the first run of the method."""
    from inweights.exports import About
    from inweights.exports.refit import refit

    records = [record for record in study.records if record.run.method == method]
    fitted, checks, settings = refit(study.planned(records[0].run), records[0])
    return fitted, place, checks, About(method, settings, records[0], tuple(records))


def test_best_says_which_method_why_and_what_it_ties_with(study: Study, call: Call) -> None:
    code, out, _ = call("best", study.folder)
    assert code == 0
    first, why, tied = out.splitlines()
    assert first.startswith("best: ")
    assert first.endswith(f"with {folder('opt')}")
    assert "in-domain accuracy" in why
    assert tied.startswith("tied with: ")


def test_best_as_json_is_one_object(study: Study, call: Call) -> None:
    code, out, _ = call("best", study.folder, "--objective", "worst", "--format", "json")
    said = json.loads(out)
    assert (code, set(said)) == (0, {"best", "why", "tied_with", "excluded", "seed"})
    assert said["best"]["method"] in METHODS


def test_limits_leave_methods_out_and_say_which(study: Study, call: Call) -> None:
    code, out, _ = call("best", study.folder, "--max-adapt-time", "0.000001ms")
    adapted = [line for line in out.splitlines() if line.startswith("left out: ")]
    assert code in (0, 3)
    code, out, err = call("best", study.folder, "--max-latency", "0.000001ms")
    assert (code, out) == (3, "")
    assert err.startswith("inweights: no method keeps within the limits: ")
    assert "ms per query over" in err
    assert all("adapting takes" in line for line in adapted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-memory", "much"), "'much' is not an amount: expected a number and a unit, such as 8GB"),
        (("--objective", "speed"), "'speed' is not one of 'in-domain', 'ood', 'worst'"),
        (("--model", "other"), "the study has no run that ended well"),
        (("--limit", "3"), "No such option: --limit"),
    ],
)
def test_best_refuses_in_one_line(study: Study, call: Call, arguments: tuple[str, str], message: str) -> None:
    code, out, err = call("best", study.folder, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_best_hands_out_the_winner_proven_and_with_its_card(study: Study, call: Call, tmp_path: Path) -> None:
    code, out, err = call("best", study.folder, "--objective", "ood", "--export", tmp_path / "out")
    assert code == 0, err
    assert "reloaded in a fresh process: 8 examples score the same within 0.0001" in err
    winner = out.splitlines()[0].split()[1]
    said = load(tmp_path / "out").manifest
    assert said.method == winner
    assert f"adapted by {winner} for train" in (tmp_path / "out" / "README.md").read_text()
    code, _, err = call("best", study.folder, "--export", tmp_path / "out")
    assert (code, "is there already and not empty" in err) == (2, True)


def test_best_exports_the_run_that_is_asked_for(study: Study, call: Call, tmp_path: Path) -> None:
    chosen = ("--method", "icl+ensemble", "--shots", 8, "--seed", 2)
    code, out, err = call("best", study.folder, *chosen, "--export", tmp_path / "out")
    assert code == 0, err
    assert out.startswith("best: icl+ensemble on train")
    assert "fitting icl+ensemble with 8 shots and seed 2 again" in err
    assert load(tmp_path / "out").manifest.method == "icl+ensemble"
    assert "shots: 8 in total, seed 2" in (tmp_path / "out" / "README.md").read_text()


def test_a_run_that_no_draw_changes_is_found_by_any_shots_and_seed(study: Study, call: Call) -> None:
    for chosen in ((), ("--shots", 8), ("--seed", 1)):
        code, out, _ = call("best", study.folder, "--method", "zero-shot", *chosen)
        assert (code, out.split()[1]) == (0, "zero-shot")


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        (("--seed", 7), "no run that ended well with seed 7; it has "),
        (("--method", "pbft+lora", "--seed", 7), "seed 7; it has pbft+lora with 8 shots and seeds 0, 1, 2\n"),
        (("--method", "pbft", "--shots", 16), "shots 16; it has pbft with 8 shots and seeds 0, 1, 2\n"),
        (("--method", "pbft+lor"), "method pbft+lor; it has icl+ensemble with 8 shots"),
        (("--method", "pbft+lor"), "did you mean pbft+lora?\n"),
        (("--method", "zero-shot", "--pattern", "other"), "pattern other; it has zero-shot\n"),
    ],
)
def test_a_run_that_is_not_there_is_refused_with_those_that_are(
    study: Study, call: Call, tmp_path: Path, chosen: tuple[object, ...], message: str
) -> None:
    code, out, err = call("best", study.folder, *chosen, "--export", tmp_path / "out")
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert message in err


def test_any_run_of_a_study_is_fitted_and_exported_from_python(study: Study, tmp_path: Path) -> None:
    import inweights
    from inweights.types import UserError

    inweights.export(study, tmp_path / "out", method="icl+ensemble", seed=1)
    assert "shots: 8 in total, seed 1" in (tmp_path / "out" / "README.md").read_text()
    assert len(study.fit("zero-shot", seed=2, shots=8).readout.demonstrations) == 0
    for wrong in (lambda: inweights.export(study, tmp_path / "other", method="icl"), lambda: study.fit("icl")):
        with pytest.raises(UserError, match=r"with method icl; it has .*icl\+ensemble with 8 shots"):
            wrong()
    with pytest.raises(UserError, match="a fitted method is exported with checks"):
        inweights.export(study.fit("zero-shot"), tmp_path / "other", ["great"], seed=1)


def test_a_study_whose_training_file_has_changed_hands_out_nothing(study: Study, call: Call, tmp_path: Path) -> None:
    import shutil

    moved = shutil.copytree(study.folder.parent, tmp_path / "moved")
    spec = json.loads((moved / "study" / "study.json").read_text())
    (moved / "train.jsonl").write_text(rows(40, 99))
    spec["train"] = str(moved / "train.jsonl")
    (moved / "study" / "study.json").write_text(json.dumps(spec))
    for method in ("pbft", "vanilla"):
        for record in (moved / "study" / "records").glob(f"*-{method}-*"):
            record.unlink()
    code, _, err = call("best", moved / "study", "--export", tmp_path / "out")
    assert code == 1
    assert "inweights: nothing was exported: " in err
    assert not (tmp_path / "out").exists()


def test_a_refit_gives_the_figures_of_its_record(study: Study) -> None:
    from inweights.exports.refit import refit
    from inweights.report.statistics import accuracy
    from inweights.study.outcomes import outcome

    record = next(each for each in study.records if each.run.method == "pbft+lora" and each.run.seed == 1)
    fitted, _, _ = refit(study.planned(record.run), record)
    task = study.settings[0].task
    for name, split in task.evaluation.items():
        assert accuracy(outcome(split, fitted, split.load())) == accuracy(record.outcomes[name])


def test_predict_answers_a_text(handed_out: Path, call: Call) -> None:
    code, out, _ = call("predict", handed_out, "great old cook")
    label, _, probabilities = out.partition("\t")
    assert code == 0
    assert label in ("bad", "good")
    assert probabilities.startswith((f"{label} 0.", f"{label} 1."))


def test_predict_answers_alike_however_it_is_asked(handed_out: Path, call: Call) -> None:
    texts = ["great old cook", "terrible money {house}"]
    singly = [call("predict", handed_out, text, "--format", "json")[1] for text in texts]
    by_field = [call("predict", handed_out, "--field", f"review={text}", "--format", "json")[1] for text in texts]
    lines = call("predict", handed_out, "--format", "json", stdin="\n".join(texts) + "\n")[1]
    objects = "".join(json.dumps({"review": text, "label": "?"}) + "\n" for text in texts)
    by_json = call("predict", handed_out, "--json", "--format", "json", stdin=objects)[1]
    answers = [[json.loads(line) for line in "".join(each).splitlines()] for each in (singly, by_field, lines, by_json)]
    for other in answers:
        assert [each["label"] for each in other] == [each["label"] for each in answers[0]]
        for one, two in zip(answers[0], other, strict=True):
            assert one["probabilities"] == pytest.approx(two["probabilities"], abs=1e-5)
            assert sum(one["probabilities"].values()) == pytest.approx(1)
    assert answers[0][1]["fields"] == {"review": texts[1]}


def test_predict_says_which_texts_were_too_long(study: Study, call: Call, tmp_path: Path) -> None:
    place, lines = _pack(study, tmp_path), f"cook\n{'the old house ' * 400}\n"
    code, out, err = call("predict", place, stdin=lines)
    assert (code, out.count("\n")) == (0, 2)
    assert err == "note: 1 of 2 too long for the model's context window, shortened\n"


def test_eval_gives_the_accuracy_that_the_study_recorded(handed_out: Path, study: Study, call: Call) -> None:
    from inweights.report.statistics import accuracy

    method = load(handed_out).manifest.method
    record = next(each for each in study.records if each.run.method == method and each.run.seed == 0)
    test = study.folder.parent / "test.jsonl"
    found = json.loads(call("eval", handed_out, "--test", test, "--format", "json")[1])
    again = json.loads(call("eval", handed_out, "--test", "-", "--format", "json", stdin=test.read_text())[1])
    assert found == again
    assert found["accuracy"] == accuracy(record.outcomes["test"])
    assert (found["examples"], found["labels"]["good"]["examples"], found["majority"]) == (20, 10, 0.5)
    low, high = found["interval"]
    assert 0 <= low <= found["accuracy"] <= high <= 1


def test_eval_prints_a_line_for_each_label(handed_out: Path, study: Study, call: Call) -> None:
    _, out, _ = call("eval", handed_out, "--test", study.folder.parent / "test.jsonl")
    first, *labels = out.splitlines()
    assert "on 20 examples, MCC" in first
    assert [line.split(":")[0].strip() for line in labels] == ["bad", "good"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"review": "a", "label": "fine"}', "label 'fine', which is not one of"),
        ('{"review": " ", "label": "good"}', "no text in 'review'"),
        ('{"review": "a"}', "no label column"),
        ('{"label": "good"}', "the pattern asks for the field {review}"),
        ("{", "is not JSON"),
    ],
)
def test_eval_names_the_line_of_what_is_wrong(study: Study, call: Call, tmp_path: Path, row: str, message: str) -> None:
    place = _pack(study, tmp_path)
    (tmp_path / "bad.jsonl").write_text(f"{row}\n")
    code, _, err = call("eval", place, "--test", tmp_path / "bad.jsonl")
    assert (code, err.count("\n")) == (2, 1)
    assert message in err
    assert "bad.jsonl" in err
    code, _, err = call("eval", place, "--test", "-", stdin=f"{row}\n")
    assert (code, "standard input" in err, "/stdin.jsonl" in err) == (2, True, False)


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (("text", "--field", "review=text"), "", "give a text or --field, not both"),
        (("--field", "review"), "", "--field review: expected NAME=VALUE"),
        (("--field", "text=a"), "", "the command line has no field 'review'; the pattern asks for review"),
        (("  ",), "", "the text has no text in 'review'"),
        ((), "a\n\nb\n", "line 2 of standard input has no text in 'review'"),
        (("--json",), '{"review": "a"}\n[]\n', "line 2 of standard input is not a JSON object"),
        (("--json",), '{"review": "a"}\n{"review"\n', "line 2 of standard input is not JSON"),
        (("--json",), '{"review": 3}\n', "line 1 of standard input has no text in 'review'"),
        (("--json",), '{"text": "a"}\n', "line 1 of standard input has no field 'review'"),
        (("a", "--format", "yaml"), "", "'yaml' is not one of 'text', 'json'"),
        (("a", "--model", "/nowhere"), "", "/nowhere"),
    ],
)
def test_predict_names_what_is_wrong(
    study: Study, call: Call, tmp_path: Path, arguments: tuple[str, ...], stdin: str, message: str
) -> None:
    code, _, err = call("predict", _pack(study, tmp_path), *arguments, stdin=stdin)
    assert (code, err.count("\n")) == (2, 1)
    assert message in err


def test_a_pattern_of_several_fields_takes_no_single_text(call: Call, tmp_path: Path) -> None:
    from inweights.exports import About
    from inweights.exports.export import write
    from inweights.methods import Fitted
    from inweights.readouts import LabelWords
    from inweights.types import Example, Prompt
    from tests.tiny import tiny

    pair = Prompt("{q1} {q2} same?", ("no", "yes"), ("0", "1"))
    write(Fitted(LabelWords(tiny("opt"), pair)), tmp_path, [Example({"q1": "a", "q2": "b"}, 0)], About())
    code, _, err = call("predict", tmp_path, "one text")
    assert (code, "the pattern has the fields q1, q2: give each with --field" in err) == (2, True)
    code, out, _ = call("predict", tmp_path, "--field", "q1=old {q2}?", "--field", "q2=age?", "--format", "json")
    assert (code, json.loads(out)["fields"]) == (0, {"q1": "old {q2}?", "q2": "age?"})


def _pack(study: Study, tmp_path: Path) -> Path:
    """An export that costs nothing to make."""
    from inweights.exports.export import write

    place = tmp_path / "pack"
    place.mkdir()
    write(*_refitted(study, "zero-shot", place))
    return place
