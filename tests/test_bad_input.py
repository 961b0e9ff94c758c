"""Bad input, end to end on the command line: one line that says what was given, what was wanted, what to do."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from inweights import records
from inweights.cli import main
from tests.tiny import folder

Call = Callable[..., tuple[int, str, str]]
GOOD = [{"text": f"a {word} film", "label": label} for word in ("red", "old") for label in ("no", "yes")]
COMPARE = ("compare", "--pattern", "{text} good?", "--methods", "zero-shot", "--shots", "2", "--seeds", "1")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Exit code, standard output, standard error of a command, run in an empty folder with good files in it."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "test"):
        _write(tmp_path / f"{name}.jsonl", GOOD)

    def called(*arguments: str, given: tuple[str, ...] = ("--train", "train.jsonl", "--test", "test.jsonl")) -> object:
        model = () if "--model" in arguments else ("--model", str(folder("opt")))
        with pytest.raises(SystemExit) as ended:
            main([*COMPARE, *given, *model, "--out", "study", *arguments])
        out, err = capsys.readouterr()
        return int(ended.value.code or 0), out, err

    return called  # type: ignore[return-value]


def refused(result: tuple[int, str, str], message: str) -> None:
    code, _, err = result
    assert code == 2
    assert re.search(message, err), err
    assert err.startswith("inweights: ")
    assert err.count("\n") == 1
    assert not Path("study/records").is_dir() or not os.listdir("study/records")


def _write(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_missing_file(call: Call) -> None:
    refused(call("--test", "nothing.jsonl"), r"there is no file nothing\.jsonl")


def test_a_file_of_an_unknown_format(call: Call) -> None:
    Path("test.docx").touch()
    refused(call("--test", "test.docx"), r"test\.docx: the format '\.docx' is not read; give one of \.jsonl")


def test_a_file_without_a_label_column(call: Call) -> None:
    _write(Path("train.jsonl"), [{"text": "a", "stars": "1"}])
    refused(call(), r"train\.jsonl has no label column; it has text, stars: name it with --columns label=COLUMN")


def test_an_unknown_label_with_its_line(call: Call) -> None:
    _write(Path("test.jsonl"), [*GOOD, {"text": "a", "label": "perhaps"}])
    refused(call(), r"test\.jsonl:5 has the label 'perhaps', which is not one of no, yes")


def test_one_class_only(call: Call) -> None:
    _write(Path("train.jsonl"), [{"text": "a", "label": "yes"}] * 4)
    refused(call(), r"train\.jsonl has one class only \(yes\) in 'label': expected at least two")


def test_fewer_examples_than_shots(call: Call) -> None:
    refused(call("--shots", "32"), "has 4 balanced training examples, not 32 .*: ask for fewer shots")


def test_an_empty_text_with_its_line(call: Call) -> None:
    _write(Path("train.jsonl"), [*GOOD, {"text": "  ", "label": "yes"}])
    refused(call(), r"train\.jsonl:5 has no text in 'text': fill it or remove the line")


def test_a_pattern_with_an_unknown_field(call: Call) -> None:
    message = (
        r"the pattern asks for the field \{stance\}; train\.jsonl has text.*: change the pattern or give --columns stance="
    )
    refused(call("--pattern", "{text} {stance}?"), message)


def test_braces_in_a_text_are_text(call: Call) -> None:
    _write(
        Path("train.jsonl"),
        [{"text": f"{{label}} {{}} {{0!r}} }}{{ {n}", "label": "no yes".split()[n % 2]} for n in range(4)],
    )
    code, out, err = call()
    assert (code, err) == (0, "")
    assert "{label} {} {0!r} }{ 0 good? no" in out


def test_a_query_longer_than_the_context_window_is_scored_and_counted(call: Call) -> None:
    _write(Path("test.jsonl"), [*GOOD, {"text": "the old house " * 400, "label": "yes"}])
    code, _, _ = call()
    [record] = records.read_folder(Path("study"))
    assert (code, record.status) == (0, "ok")
    assert len(record.outcomes["test"].answers) == 5
    assert "shortened" in json.dumps(record.notes)


def test_a_scaffold_longer_than_the_context_window(call: Call) -> None:
    code, out, err = call("--pattern", "{text} " + "is it good " * 400)
    assert code in (1, 2)
    assert re.search("room for [0-9]+: use a shorter pattern", " ".join((out + err).split()))
    assert "Traceback" not in out + err


def test_a_loss_that_is_not_a_number_is_recorded_and_the_rest_goes_on(call: Call) -> None:
    code, out, _ = call("--methods", "pbft,zero-shot", "--set", "pbft.schedule.lr=1e30")
    assert code == 1
    found = {record.run.method: record for record in records.read_folder(Path("study"))}
    assert (found["pbft"].status, found["zero-shot"].status) == ("diverged", "ok")
    assert re.search("the loss was (nan|inf) at step .*: lower the learning rate", found["pbft"].reason)
    assert "diverged" in out


FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
from inweights.cli import main
main(sys.argv[1:])
"""


def test_a_disk_that_is_full(call: Call, tmp_path: Path) -> None:
    """A limit on the size of files stands for it: the error comes at the same call."""
    assert call("--steps", "1")[0] == 0
    [whole] = Path("study/records").glob("*.json")
    before = whole.read_text()
    train = ("--train", "train.jsonl", "--test", "test.jsonl", "--model", str(folder("opt")), "--out", "study")
    done = _python(FULL, *COMPARE, *train, "--methods", "icl")
    assert done.returncode == 2
    assert re.search(r"^inweights: the record .* cannot be written \(File too large\): make room", done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert (whole.read_text(), [path.name for path in Path("study/records").iterdir()]) == (before, [whole.name])
    assert call("--methods", "icl")[0] == 0


def test_a_model_folder_that_is_none(call: Call) -> None:
    Path("empty").mkdir()
    refused(call("--model", "./empty"), r"empty is not a model folder: it has no config\.json")
    refused(call("--model", "./nowhere"), r"there is no model folder .*nowhere")


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_model_folder_that_cannot_be_read(call: Call, name: str) -> None:
    import shutil

    shutil.copytree(folder("opt"), "broken")
    Path("broken", name).write_text('{"half": ')
    refused(call("--model", "./broken"), "broken.* cannot be (read|loaded)")


def test_a_model_folder_that_needs_code_of_its_own(call: Call) -> None:
    import shutil

    shutil.copytree(folder("opt"), "custom")
    config = json.loads(Path("custom/config.json").read_text())
    Path("custom/config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "own.Model"}}))
    Path("custom/own.py").write_text("raise SystemExit('this ran')")
    refused(call("--model", "./custom"), "custom brings its own Python code .*which inweights does not run: take a model")


def test_a_corrupted_record_is_named_and_is_done_again_when_deleted(call: Call) -> None:
    assert call()[0] == 0
    [path] = Path("study/records").glob("*.json")
    path.write_text(path.read_text()[:100])
    for arguments in (("report", "study"), ("best", "study")):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        assert ended.value.code == 2
    code, _, err = call()
    assert code == 2
    assert re.search(r"study/records/.*\.json is not a whole record .*: delete it and run the study again", err)
    path.unlink()
    assert call()[0] == 0


def test_a_model_hub_that_cannot_be_reached(call: Call) -> None:
    arguments = ("--train", "train.jsonl", "--test", "test.jsonl", "--model", "nobody/nothing", "--out", "study")
    run = "import sys; from inweights.cli import main; main(sys.argv[1:])"
    done = _python(run, *COMPARE, *arguments, HF_ENDPOINT="http://127.0.0.1:9", HF_HUB_ETAG_TIMEOUT="1")
    assert done.returncode == 2
    [line] = [line for line in done.stderr.splitlines() if line.startswith("inweights: ")]
    assert re.search("'nobody/nothing' is not a folder and could not be loaded from a model hub: give a folder", line)
    assert "Traceback" not in done.stderr


def _python(code: str, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    home = str(Path(__file__).parents[1])
    env = {**os.environ, "PYTHONPATH": home, **environment}
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, env=env, timeout=120)
