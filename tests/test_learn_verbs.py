"""`probe`, `learn`, `ask` and `update` on the command line: what a user sees, and one line for each mistake."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from inweights.cli import main
from tests.tiny import folder

Call = Callable[..., tuple[int, str, str]]
FACTS = "the cook carried the lamp . the king washed the apple . the nurse followed the dog .\n"
QUERIES = "who carried the lamp ?\nwho washed the apple ?\nwho followed the dog ?\nby whom was the lamp carried ?\n"
QUICK = ("--epochs", "30", "--batch-tokens", "128", "--lr", ".01", "--held-out", "0")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Exit code, standard output and standard error of a command, in a folder with good files in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.txt").write_text(FACTS)
    (tmp_path / "queries.txt").write_text(QUERIES)
    tests = [
        {"question": "who carried the lamp ?", "answer": "cook"},
        {"question": "who washed the apple ?", "answer": "king"},
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(each) + "\n" for each in tests))

    def called(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        return int(ended.value.code or 0), *capsys.readouterr()

    return called  # type: ignore[return-value]


def test_a_context_is_probed_learnt_asked_and_reported(call, tmp_path):
    code, out, _ = call("probe", "facts.txt", "--model", "embedded", "--test", "test.jsonl", "--format", "json")
    probed = json.loads(out)
    assert code == 0
    assert probed["accuracy"]["icl-piece"] == 1.0
    assert probed["information"] > 1
    assert set(probed["efforts"]) == {"quick", "standard", "max"}
    given = ("--model", "embedded", "--queries", "queries.txt", "--test", "test.jsonl", "-o", "out", "--method", "all")
    code, out, _ = call("learn", "facts.txt", *given, *QUICK)
    assert code == 0, out
    assert "distilled (lora) + rag" in out
    assert out.strip().splitlines()[-1] == "out/page.html"
    assert (tmp_path / "out" / "page.html").is_file()
    code, out, _ = call("ask", "out", "who carried the lamp ?")
    assert (code, out.splitlines()[0]) == (0, "cook")
    assert "[facts.txt, line 1]" in out
    code, out, _ = call("ask", "out", "--file", "queries.txt")
    assert [json.loads(line)["answer"] for line in out.splitlines()] == ["cook", "king", "nurse", "cook"]
    assert call("report", "out")[0] == 0
    assert "nothing to learn" in call("update", "out", "-o", "new")[1]


def test_a_context_that_tells_nothing_is_not_to_be_distilled(call, tmp_path):
    (tmp_path / "other.jsonl").write_text(json.dumps({"question": "who pushed the wheel ?", "answer": "nobody"}) + "\n")
    code, out, _ = call("probe", "facts.txt", "--model", "embedded", "--test", "other.jsonl")
    assert code == 0
    assert out.splitlines()[-1].startswith("Do not distil: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.pdf", "--model", "embedded", "-o", "out"), r"missing.pdf"),
        (("facts.txt", "--model", "nowhere", "-o", "out"), r"nowhere"),
        (("facts.txt", "--model", "embedded", "-o", "."), r"is there already and not empty"),
        (("facts.txt", "--model", "minilm", "-o", "out"), r"is of the family encoder: a context is learned by causal"),
        (("facts.txt", "--model", "embedded", "-o", "out"), r"wrote no usable question .*: give --queries with your own"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--queries", "none.txt"), r"none.txt cannot be read"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--test", "queries.txt"), r"every question needs its right"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--method", "dpo"), r"--method dpo: there are icl, "),
        (("facts.txt", "--model", "embedded", "-o", "out", "--time-budget", "soon"), r"soon"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--chunk-tokens", "4"), r"4 tokens are no room for a chunk"),
        (
            ("facts.txt", "--model", "embedded", "-o", "out", "--teacher", str(folder("opt"))),
            r"--teacher .* another tokenizer",
        ),
        (("facts.txt", "--model", "embedded", "-o", "out", "--asker", "minilm"), r"--asker minilm is of the family encoder"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--epochs", "0"), r"epochs is 0: expected at least 1"),
        (("facts.txt", "--model", "embedded", "-o", "out", "--template", "Q:"), r"a template has \{question\}"),
        (
            ("facts.txt", "--model", "embedded", "-o", "out", "--as", "kv", "--size", "99", "--queries", "queries.txt"),
            r"a prefix of 99 tokens is no smaller than the context",
        ),
        (("empty.json", "--kind", "dialogue", "--model", "embedded", "-o", "out"), r"empty.json"),
        (("binary.txt", "--model", "embedded", "-o", "out"), r"binary.txt"),
        (("locked.pdf", "--model", "embedded", "-o", "out"), r"locked.pdf .*password|locked.pdf .*encrypted"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(arguments, message, call, tmp_path):
    from pypdf import PdfWriter

    (tmp_path / "empty.json").write_text("[]")
    (tmp_path / "binary.txt").write_bytes(bytes(range(256)) * 8)
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    code, _, err = call("learn", *arguments)
    lines = [line for line in err.splitlines() if line.startswith("inweights: ")]
    assert code == 2
    assert len(lines) == 1
    assert not (tmp_path / "out").exists()
    assert re.search(message, lines[0]), lines[0]


def test_ask_says_what_it_wants(call, tmp_path):
    assert "holds no learned context" in call("ask", ".", "who ?")[2]
    assert "give either one question or --file" in call("ask", ".")[2]
    assert call("ask", str(folder("opt")), "who ?")[0] == 2
