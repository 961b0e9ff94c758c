"""What is known before a context is learned: each context read once, progress said, questions kept for learning."""

import json
import math

import pytest

from inweights.cli import main
from inweights.context.chunks import chunks_of
from inweights.context.learn import learn
from inweights.context.probe import probe
from inweights.context.probe_systems import accuracy, seconds_per_query
from inweights.context.qa_tokens import Question
from inweights.context.question_turns import GROUP, first_count, first_group
from inweights.context.settings import Settings
from inweights.context.systems import System
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.sources.types import Context, Section
from tests.tiny import folder, tiny

TALE = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him.\n\n"
PLAIN = Template(answer_tokens=4)
ASKED = [Question("Did the doctor see the judge?", 0, gold="yes"), Question("who paid the cook?", 0, gold="nobody")]
OWN = Settings(batch_tokens=1024, effort=10.0, epochs=1, rounds=1, held_out=0.2, replay=0.0)


def pieces(model, tokens: int = 100, times: int = 4):
    return chunks_of(model, Context((Section(TALE * times, source="tale.txt"),)), tokens)


@pytest.mark.parametrize(("pieces", "count", "group"), [(1, 12, 1), (2, 12, 2), (4, 6, 4), (8, 3, 8), (9, 3, 5), (80, 3, 8)])
def test_the_first_questions_are_about_pieces_from_all_over_the_context(pieces, count, group):
    assert (first_count(pieces), len(first_group(pieces))) == (count, group)
    assert max(first_group(pieces)) >= pieces - math.ceil(pieces / GROUP)


def test_systems_that_read_the_same_text_answer_and_are_timed_once():
    """One generated answer for each question and distinct context: two of none, two of the piece; the rest is known."""
    model = tiny("llama")
    [piece] = pieces(model, 400, 1)
    same = [System(name, model, lambda question: piece.text) for name in ("icl-piece", "icl", "rag")]
    systems = [System("alone", model), *same]
    read: dict = {}
    found = accuracy(systems, PLAIN, ASKED, "contained", read)
    assert len(read) == 4
    assert found["icl"] == found["rag"] == found["icl-piece"]
    before = model.counter.tokens
    assert accuracy(systems, PLAIN, ASKED, "contained", read) == found
    assert model.counter.tokens == before
    seconds = seconds_per_query(systems, PLAIN, ASKED)
    assert seconds["icl"] == seconds["rag"] == seconds["icl-piece"] != seconds["alone"]


def test_learn_takes_up_the_questions_of_probe(tmp_path):
    model, said = tiny("llama"), []
    chunks = pieces(model)
    found = probe(model, PLAIN, chunks, OWN, Store(tmp_path), say=said.append)
    kept = {path.name: json.loads(path.read_text()) for path in (tmp_path / "questions").iterdir()}
    assert sum(map(len, kept.values())) >= found["questions"] > 0
    result = learn(model, PLAIN, chunks, OWN, tmp_path)
    learned = {each.question.text for each in (*result.answers.examples, *result.held_out.examples)}
    assert {sample[0] for sample in found["samples"]} <= learned
    assert all((tmp_path / "questions" / name).is_file() for name in kept)
    for step in ("question", "answering with the context", "timing", "answering without the context"):
        assert any(step in line for line in said)


def test_progress_goes_to_the_standard_error_and_the_questions_stay_beside_the_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tale.txt").write_text(TALE * 4)
    with pytest.raises(SystemExit) as ended:
        main(["probe", "tale.txt", "--model", str(folder("llama")), "--answer-tokens", "4", "-o", "out", "--format", "json"])
    out, err = capsys.readouterr()
    assert not ended.value.code
    assert json.loads(out)["probe_seconds"] > 0
    assert "answering with the context" in err
    assert list((tmp_path / "out.work" / "questions").iterdir())


def test_another_asker_and_teacher_are_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tale.txt").write_text(TALE * 4)
    (tmp_path / "queries.txt").write_text("who paid the cook?\nDid it rain?\n")
    given = ["--model", str(folder("llama")), "--teacher", str(folder("mistral")), "--answer-tokens", "4"]
    with pytest.raises(SystemExit):
        main(["probe", "tale.txt", *given, "--queries", "queries.txt", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    assert (found["asker"], found["teacher"]) == ("", str(folder("mistral")))
