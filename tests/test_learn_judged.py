"""How a learned context is judged: by its answers, by the gold answers' log-probabilities, and by what PEFT alone loads."""

import json
import shutil
import time
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from inweights.cards import CONTEXT_CARD
from inweights.cli import app
from inweights.context import responses
from inweights.context.chunks import chunks_of
from inweights.context.clock import Clock
from inweights.context.evaluate import evaluate
from inweights.context.evaluation_time import SAMPLE
from inweights.context.learn import learn
from inweights.context.metrics import parting
from inweights.context.qa_tokens import Question
from inweights.context.recovery import reported
from inweights.context.settings import Settings
from inweights.context.systems import OPENING, System, primary_metric, respond
from inweights.context.template import EMBEDDED, Template
from inweights.exports import RejectedError, verify
from inweights.exports.context_card import read
from inweights.learn_records import Collateral, Recovered
from inweights.learning.inputs import read_inputs
from inweights.learning.pipeline import learn_into
from inweights.learning.request import LearnRequest, WarmStart
from inweights.learning.request import remedy as remedy_of
from inweights.models import load
from inweights.records import read_folder
from inweights.report import rows_of
from inweights.report.learn_scores import unknown_only
from inweights.sources import read_sources
from inweights.types import UserError
from tests.sample_card import answers, changed, measured, right
from tests.tiny import tiny

CHAT = Template("<|user|> {context}\n{question}<|assistant|>", "<|user|> {question}<|assistant|>", end="")
FACTS = "the cook carried the lamp . the king washed the apple . the nurse followed the dog .\n"
QUERIES = [
    Question("who carried the lamp ?", gold="cook"),
    Question("who washed the apple ?", gold="king"),
    Question("who followed the dog ?", gold="nurse"),
    Question("by whom was the lamp carried ?", gold="cook"),
]


@pytest.mark.parametrize(
    ("template", "given", "metric"),
    [
        (EMBEDDED, True, "exact-match"),
        (EMBEDDED, False, "exact-match"),
        (CHAT, True, "contained"),
        (Template(), True, "contained"),
        (CHAT, False, "token-f1"),
    ],
)
def test_the_primary_metric_follows_from_the_answers_length_and_from_whose_answers_are_right(template, given, metric):
    assert primary_metric(template, given) == metric


@torch.no_grad()
@pytest.mark.parametrize("architecture", ["llama", "gpt2"])
def test_a_chat_models_gold_answer_is_scored_after_a_natural_opening(architecture):
    """As one whole text by plain transformers; not as the first words of a reply."""
    model = tiny(architecture)
    question = Question("who saw the judge ?", gold="the doctor")
    found = respond(System("alone", model), replace(CHAT, answer_tokens=2), [question], "contained").gold_log_probs[0]
    opened = model.encode([CHAT.bare(question.text) + OPENING])[0]
    ids = model.encode([f"{CHAT.bare(question.text)}{OPENING} the doctor"])[0]
    assert ids[: len(opened)] == opened
    rows = model.module(torch.tensor([ids])).logits[0].log_softmax(-1)
    expected = [float(rows[place - 1, ids[place]]) for place in range(len(opened), len(ids))]
    assert found == pytest.approx(sum(expected) / len(expected), abs=1e-4)


def test_where_information_and_answers_part_is_told_from_noise():
    """R_KL is 1 - .1 = .9; of 40 questions that the teacher wins, the student wins 12: R_free is .3."""
    bare, student = [1.0] * 40, [0.1] * 40
    won = [1.0] * 12 + [0.0] * 28
    found = parting((bare, student), ([0.0] * 40, [1.0] * 40, won))
    assert found.value == pytest.approx(0.6)
    assert 0.4 < found.low < 0.6 < found.high < 0.8
    assert parting(([0.0] * 40, student), ([0.0] * 40, [1.0] * 40, won)).value is None


def test_a_share_of_fewer_than_twenty_questions_has_no_interval():
    assert reported(Recovered(0.5, 0.4, 0.6, 19)) == Recovered(0.5, None, None, 19)
    assert reported(Recovered(0.5, 0.4, 0.6, 20)) == Recovered(0.5, 0.4, 0.6, 20)


def test_unknown_only_leaves_out_what_the_model_knows_alone_and_what_the_teacher_misses():
    """Of 40 the first 8 are known alone; the teacher misses the last 20; the student is right on the first 12."""
    found = changed(measured(), "icl-piece", outcomes={"test": answers(right(0.5))})
    found = changed(found, "distilled (lora)", outcomes={"test": answers(right(0.3))})
    assert unknown_only("distilled (lora)", found) == [1.0] * 4 + [0.0] * 8


def test_held_out_and_given_questions_are_two_evaluation_sets(tmp_path):
    model = load("embedded")
    (tmp_path / "facts.txt").write_text(FACTS)
    chunks = chunks_of(model, read_sources([str(tmp_path / "facts.txt")], "auto"), 64)
    settings = Settings(epochs=1, held_out=0.5)
    result = learn(model, EMBEDDED, chunks, settings, tmp_path / "work", queries=QUERIES)
    assert result.held_out.examples
    found = evaluate(model, EMBEDDED, chunks, {"lora": result}, settings, QUERIES, rivals=("icl", "sft"))
    assert found.primary == "test"
    assert found.sets["test"].given
    assert not found.sets["held-out"].given
    teacher, student = found.systems["icl-piece"], found.systems["distilled (lora)"]
    assert set(teacher.outcomes) == set(student.outcomes) == {"test", "held-out"}
    # The teacher's own answers are right on the held-out questions.
    assert set(teacher.outcomes["held-out"].scores) == {1.0}
    assert set(found.systems["icl"].outcomes) == {"test"}
    assert set(student.with_context) == set(found.systems["sft"].with_context) == {"test"}
    assert teacher.with_context == {}
    assert student.latency.p95 >= student.latency.median > 0
    assert found.forms["lora"].free.low is None, "four questions carry no interval"


@pytest.fixture(scope="module")
def export(tmp_path_factory):
    place = tmp_path_factory.mktemp("judged")
    (place / "facts.txt").write_text(FACTS)
    given = read_inputs("embedded", [str(place / "facts.txt")])
    settings = Settings(lr=0.01, epochs=10, batch_tokens=128, held_out=0.0, size=6)
    said: list[str] = []
    learn_into(place / "out", given, LearnRequest("both", settings, tuple(QUERIES), tuple(QUERIES), ()), said.append)
    assert any("reloaded in a fresh process: 8 examples" in each for each in said)
    return place / "out"


def test_every_form_is_verified_by_plain_libraries_too(export):
    proof = verify(export)
    assert proof.examples == 8
    assert proof.inweights < proof.tolerance
    assert proof.plain < proof.tolerance


@pytest.mark.parametrize("form", ["lora", "kv"])
def test_an_export_that_gives_other_log_probabilities_is_rejected(form, export, tmp_path):
    place = shutil.copytree(export, tmp_path / "copy")
    card = json.loads((place / CONTEXT_CARD).read_text())
    card["probes"][0]["next_tokens"][form]["log_probs"][0] -= 0.5
    (place / CONTEXT_CARD).write_text(json.dumps(card))
    with pytest.raises(RejectedError, match=r"gives other scores when loaded again by inweights: they differ by 0\.\d"):
        verify(place)


def test_a_learned_context_is_a_study_whose_records_are_those_of_compare(export):
    """The rows of `inweights report OUT.work`: the same systems, scores and costs as the card."""
    work = export.with_name("out.work")
    rows = {row.method: row for row in rows_of(read_folder(work))}
    assert set(rows) == {"zero-shot", "icl-piece", "distill+lora", "distill+prefix"}
    report = read(export).report
    for method, name in (("zero-shot", "alone"), ("distill+lora", "distilled (lora)")):
        scores = report.systems[name].outcomes["test"].scores
        assert rows[method].accuracy["test"].mean == sum(scores) / len(scores)
        assert rows[method].adapt_seconds == report.systems[name].adapt.seconds
        assert rows[method].seconds_per_query == pytest.approx(report.systems[name].latency.median)
    [record] = [each for each in read_folder(work) if each.run.method == "distill+lora"]
    assert record.outcomes["test"].gold == tuple(each.gold for each in QUERIES)
    assert record.notes == {"metric": "exact-match", "free_form": True}
    done = CliRunner().invoke(app.app, ["report", str(work)])
    assert done.exit_code == 0, done.output
    assert "distill+prefix" in done.stdout


def test_the_work_of_a_learned_context_is_no_study_to_export_from(export):
    done = CliRunner().invoke(app.app, ["best", str(export.with_name("out.work"))])
    assert isinstance(done.exception, UserError)
    assert "out.work is the work of a learned context: nothing of it can be exported" in str(done.exception)


def test_seconds_of_a_run_that_was_killed_are_counted_when_it_goes_on(tmp_path):
    def clock(key: str = "one") -> Clock:
        return Clock(60.0, tmp_path / "seconds" / f"{key}.json")

    first = clock()
    first.since -= 100
    first.spent_on("training")
    again = clock()
    again.since -= 10
    again.spent_on("training")
    assert again.seconds["training"] == pytest.approx(110, abs=5)
    assert clock("of other settings").seconds == {}


@pytest.mark.parametrize(
    ("tests", "again", "remedy"),
    [
        ((), None, "raise --held-out, or give --test"),
        ((), WarmStart({}, frozenset(), lambda form, learned: {}), "give --test"),
        (tuple(QUERIES), None, ""),
    ],
)
def test_too_few_held_out_questions_are_warned_of_with_what_the_command_has(tests, again, remedy):
    assert remedy_of(LearnRequest(tests=tests), again) == remedy


@pytest.mark.parametrize(("held_out", "remedy", "warned"), [(0.0, "give --test", 0), (0.1, "give --test", 1), (0.1, "", 0)])
def test_nothing_is_warned_of_where_no_held_out_questions_were_wanted(held_out, remedy, warned, tmp_path):
    model = load("embedded")
    (tmp_path / "facts.txt").write_text(FACTS)
    chunks = chunks_of(model, read_sources([str(tmp_path / "facts.txt")], "auto"), 64)
    said: list[str] = []
    settings = Settings(epochs=1, held_out=held_out)
    learn(model, EMBEDDED, chunks, settings, tmp_path / "work", queries=QUERIES, say=said.append, remedy=remedy)
    found = [each for each in said if each.startswith("warning")]
    assert len(found) == warned
    assert all(each.endswith("too few for an interval (20); give --test") for each in found)


def test_systems_with_the_same_prompts_are_asked_once(tmp_path, monkeypatch):
    """The text is one piece: the right piece, the whole text and what is retrieved are the same prompt."""
    model, calls = load("embedded"), []
    own = responses.respond

    def counted(system, *others):
        calls.append(system.name)
        return own(system, *others)

    monkeypatch.setattr(responses, "respond", counted)
    (tmp_path / "facts.txt").write_text(FACTS)
    chunks = chunks_of(model, read_sources([str(tmp_path / "facts.txt")], "auto"), 64)
    settings = Settings(epochs=1, held_out=0.0)
    result = learn(model, EMBEDDED, chunks, settings, tmp_path / "work", queries=QUERIES)
    found = evaluate(model, EMBEDDED, chunks, {"lora": result}, settings, QUERIES)
    assert calls == ["alone", "icl-piece", "distilled (lora)", "distilled (lora)"]
    assert found.systems["icl"].outcomes == found.systems["rag"].outcomes == found.systems["icl-piece"].outcomes


def test_after_the_time_budget_a_few_questions_are_asked_and_no_rivals(tmp_path):
    model = load("embedded")
    (tmp_path / "facts.txt").write_text(FACTS)
    chunks = chunks_of(model, read_sources([str(tmp_path / "facts.txt")], "auto"), 64)
    settings = Settings(epochs=1, held_out=0.0)
    result = learn(model, EMBEDDED, chunks, settings, tmp_path / "work", queries=QUERIES)
    tests = [replace(QUERIES[0], text=f"{QUERIES[0].text} {number}") for number in range(9)]
    found = evaluate(model, EMBEDDED, chunks, {"lora": result}, settings, tests, until=time.monotonic() - 1)
    assert (found.questions, found.sets["test"].available) == (SAMPLE, 9)
    assert list(found.systems) == ["alone", "icl-piece", "distilled (lora)"]
    assert found.forms["lora"].collateral == Collateral(None, None)
    enough = evaluate(model, EMBEDDED, chunks, {"lora": result}, settings, tests, until=time.monotonic() + 600)
    assert enough.questions == 9
    assert list(enough.systems) == ["alone", "icl-piece", "icl", "icl-cached", "rag", "distilled (lora)"]
