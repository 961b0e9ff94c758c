"""Learning a context, whole: facts are recovered, nothing else is touched, and a run that is killed loses nothing."""

import json
import random
import time
from dataclasses import replace
from functools import partial
from statistics import mean

import pytest
import torch

from inweights.context import learn as learning
from inweights.context import parting as parting_module
from inweights.context import round_training
from inweights.context.chunks import chunks_of
from inweights.context.learn import learn
from inweights.context.metrics import base_kl, contexts_read, information_recovered
from inweights.context.on_policy import polish
from inweights.context.qa_tokens import Question
from inweights.context.rounds import Progress
from inweights.context.settings import Settings
from inweights.context.systems import System, learned_system, respond
from inweights.context.teacher import distances, teacher_answers
from inweights.context.template import EMBEDDED, Template
from inweights.context.train import initial_update, train
from inweights.context.training_mix import rows_of
from inweights.context.training_rows import Student
from inweights.context.work_cache import Store, TeacherAnswers
from inweights.metrics import exact_match
from inweights.models import load
from inweights.models.digest import weights_digest
from inweights.scoring.teacher_logprobs import TeacherLogprobs
from inweights.sources.types import Context, Section
from inweights.training import Resume
from inweights.types import UserError
from tests.tiny import tiny
from tools.embedded.documents import KINDS, document, facts, question

EVENTS = facts(random.Random(1), 4)
TEXT = " ".join(document(EVENTS))
QUICK = Settings(lr=0.01, batch_tokens=1024, epochs=80, held_out=0.0)
SHORT = replace(QUICK, batch_tokens=256, epochs=4, held_out=0.2)
TALE = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him.\n\n"
OWN = Settings(batch_tokens=1024, effort=10.0, epochs=2, held_out=0.3, replay=0.1)


def queries(absent: int = 12) -> list[Question]:
    """Every fact, in both voices, and some that the document does not say."""
    rng, found = random.Random(0), {}
    for kind in KINDS:
        for _ in range(absent if kind == "absent" else 200):
            made = question(rng, EVENTS, kind)
            found[made.words] = Question(" ".join(made.words), gold=made.answer, kind=kind)
    return list(found.values())


def pieces(model, tokens: int = 200):
    return chunks_of(model, Context((Section(TEXT, source="facts.txt"),)), tokens)


def own(folder, model, **more):
    """With the model's own questions about several pieces, in two rounds."""
    chunks = chunks_of(model, Context((Section(TALE * 6, source="tale.txt"),)), 100)
    return learn(model, Template(answer_tokens=4), chunks, OWN, folder, **more)


def recovered(outcome):
    """Of the questions that were learnt by."""
    lessons = outcome.answers
    teacher_kl = distances(
        outcome.learned.model, [outcome.learned.reads(each.alone) for each in lessons.examples], lessons.logprobs
    )
    return information_recovered(lessons.bare, teacher_kl)


def lessons_in(model, folder) -> TeacherAnswers:
    return teacher_answers(model, EMBEDDED, pieces(model), [replace(each, chunk=0) for each in queries()], Store(folder))


def alike(one, other) -> bool:
    ours, theirs = one.learned.adapted.parameters, other.learned.adapted.parameters
    same = all(torch.equal(ours[name], theirs[name]) for name in ours)
    return same and (one.losses, one.recovered) == (other.losses, other.recovered)


@pytest.fixture(scope="module")
def model():
    return load("embedded")


@pytest.fixture(scope="module")
def outcome(model, tmp_path_factory):
    return learn(model, EMBEDDED, pieces(model), QUICK, tmp_path_factory.mktemp("learnt"), queries=queries())


class Killed(Exception):  # noqa: N818  it is what happens to a run
    pass


def killing(at: str, times: int = 1):
    """A `say` that dies when something is said for the so-manieth time."""
    left = [times]

    def say(text: str) -> None:
        left[0] -= at in text
        if at in text and not left[0]:
            raise Killed

    return say


def files(folder) -> dict[str, int]:
    """When each was written; without the seconds spent, which grow."""
    found = [path for path in folder.rglob("*") if path.is_file() and path.parent.name != "seconds"]
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in found}


# What is learnt


def test_facts_that_are_asked_about_are_recovered_without_the_document(model, outcome):
    assert recovered(outcome).low > 0.8
    questions = [each.question for each in outcome.answers.examples if each.question.kind != "absent"]
    assert len(questions) == 2 * len(EVENTS)
    student = learned_system("student", outcome.learned)
    texts = respond(student, EMBEDDED, questions, "exact-match").answers
    right = sum(exact_match(text, each.gold) for text, each in zip(texts, questions, strict=True))
    before = respond(System("alone", model), EMBEDDED, questions, "exact-match").scores
    assert right >= 7 > 2 >= sum(before)


def test_the_backbone_is_left_as_it_was(model, outcome):
    assert weights_digest(model.module) == weights_digest(load("embedded").module)
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert outcome.losses[-1] < outcome.losses[0] / 10


def test_the_model_still_reads_other_documents(outcome):
    """Trained without being held to itself, it answers .35 of them as before, and says 1.08 nats another thing."""
    rows = [row for row in outcome.replayed if row.firsts]
    assert rows
    assert contexts_read(outcome.learned.model, EMBEDDED, rows) > 0.5
    assert base_kl(outcome.learned.model, outcome.learned.rows(outcome.replayed)) < 0.5


def test_a_prefix_learns_too_and_leaves_the_backbone(model, tmp_path):
    settings = replace(QUICK, form="kv", size=16, lr=0.02, epochs=50, batch_tokens=512)
    found = learn(model, EMBEDDED, pieces(model), settings, tmp_path, queries=queries())
    assert found.learned.front == 1
    assert recovered(found).value > 0.4
    assert weights_digest(model.module) == weights_digest(load("embedded").module)


def test_what_was_learnt_is_trained_further_where_it_is_given(model, outcome, tmp_path):
    warm = learn(model, EMBEDDED, pieces(model), SHORT, tmp_path, queries=queries(), warm=copied(model, outcome))
    cold = learn(model, EMBEDDED, pieces(model), SHORT, tmp_path, queries=queries())
    assert warm.losses[0] < cold.losses[0] / 5


def copied(model, outcome):
    """A copy: learning changes what it is given in place."""
    learned = initial_update(model, [TEXT], QUICK)
    with torch.no_grad():
        for name, parameter in learned.adapted.parameters.items():
            parameter.copy_(outcome.learned.adapted.parameters[name])
    return learned


def test_where_every_question_is_held_out_there_is_nothing_to_learn_from(model, tmp_path):
    with pytest.raises(UserError, match="there is nothing to learn from: no question was answered"):
        learn(model, EMBEDDED, pieces(model), replace(SHORT, held_out=0.9999999), tmp_path, queries=queries())


# Killed


@pytest.mark.parametrize("at", ["answers to train on", "step 2 of", "round 1 of"])
def test_a_run_that_is_killed_comes_out_as_one_that_was_not_and_asks_nothing_twice(at, model, tmp_path, monkeypatch):
    monkeypatch.setattr(round_training, "Resume", partial(Resume, seconds=0))
    monkeypatch.setattr(round_training, "SHOWN_EVERY", -1)
    run = partial(learn, model, EMBEDDED, pieces(model), SHORT, queries=queries())
    whole = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "killed", say=killing(at))
    before = files(tmp_path / "killed")
    assert any(name.startswith("told") for name in before)
    again = run(tmp_path / "killed")
    assert alike(again, whole)
    after = files(tmp_path / "killed")
    assert {name: after[name] for name in before if not name.startswith("training")} == {
        name: time for name, time in before.items() if not name.startswith("training")
    }
    assert len(after) == len(files(tmp_path / "whole"))


def test_a_run_that_is_killed_in_its_second_round_asks_and_answers_nothing_twice(tmp_path):
    """With the model's own questions: what it reads the second time is less than training alone."""
    model = tiny("llama")
    whole = own(tmp_path / "whole", model)
    assert len(whole.recovered) == 2
    with pytest.raises(Killed):
        own(tmp_path / "killed", model, say=killing("round 2 of"))
    before, read = files(tmp_path / "killed"), model.counter.tokens
    [kept] = (tmp_path / "killed" / "seconds").iterdir()
    spent = json.loads(kept.read_text())
    again = own(tmp_path / "killed", model)
    assert alike(again, whole)
    assert files(tmp_path / "killed") == before
    assert spent["training"] > 0
    assert all(again.seconds[phase] > seconds for phase, seconds in spent.items())
    lessons, rows = [*again.answers.examples, *again.held_out.examples], again.replayed
    trained = OWN.epochs * sum(len(each.alone.tree) for each in lessons) + 2 * sum(len(row.tree) for row in rows)
    assert model.counter.tokens - read < 1.5 * trained


def test_another_runs_work_in_the_same_folder_is_not_taken_up(model, tmp_path, monkeypatch):
    """As many questions, but others."""
    monkeypatch.setattr(round_training, "Resume", partial(Resume, seconds=0))
    run = partial(learn, model, EMBEDDED, pieces(model), SHORT)
    asked_first = queries(24)
    run(tmp_path / "one", queries=asked_first[:16])
    others = asked_first[-16:]
    assert alike(run(tmp_path / "one", queries=others), run(tmp_path / "other", queries=others))


# Time


def test_a_time_budget_ends_it(model, tmp_path):
    """Without one these epochs would take minutes."""
    started = time.monotonic()
    found = learn(model, EMBEDDED, pieces(model), replace(QUICK, epochs=3000), tmp_path, queries=queries(), seconds=2)
    assert time.monotonic() - started < 6
    assert len(found.losses) >= 1
    assert all(parameter.grad is None for parameter in found.learned.adapted.parameters.values())


def test_a_deadline_that_is_past_leaves_one_step(model, tmp_path):
    learned = initial_update(model, [TEXT], QUICK)
    lessons = lessons_in(model, tmp_path)
    assert len(train(learned, rows_of(lessons) * 400, QUICK, deadline=time.monotonic() - 1).losses) == 1


# Polish


def test_polish_lowers_the_reverse_divergence(model, tmp_path):
    """KL(student || teacher) at the first token of every answer, which no sample decides; in as many steps as asked for."""
    settings = replace(QUICK, epochs=40, polish=0.9)
    lessons, learned = lessons_in(model, tmp_path), initial_update(model, [TEXT], QUICK)
    train(learned, rows_of(lessons) * 20, settings)

    def reverse() -> float:
        student = Student(rows_of(lessons), TeacherLogprobs.kl_from)
        with torch.no_grad():
            logits = learned.model.next_token_logits([row.tree for row in student.rows])
            return float(student.loss(range(len(student.rows)), logits).mean())

    before = reverse()
    losses = polish(learned, model, EMBEDDED, pieces(model), lessons, settings)
    answered = 36 * len(lessons.examples) * mean(len(row.tree) for row in rows_of(lessons))
    assert len(losses) == pytest.approx(answered / settings.batch_tokens, abs=4)
    assert reverse() < 0.8 * before


def test_polish_is_part_of_a_run_and_of_its_time(model, tmp_path):
    found = learn(model, EMBEDDED, pieces(model), replace(SHORT, polish=0.5), tmp_path, queries=queries(), seconds=3)
    assert found.seconds["polish"] > 0
    assert sum(found.seconds.values()) < 8


@pytest.mark.parametrize(("wrong", "steps"), [(0, False), (24, True)])
def test_polish_is_spent_where_free_answers_recover_less_than_is_promised(wrong, steps, model, tmp_path, monkeypatch):
    """Of 24 held-out questions the student answers all as the teacher does, or none though it predicts them well."""
    settings = replace(QUICK, epochs=2, polish=0.5)
    asked = [replace(each, chunk=0) for each in queries(24)]
    held_out = teacher_answers(model, EMBEDDED, pieces(model), asked[:24], Store(tmp_path))
    assert len(held_out.examples) == 24
    monkeypatch.setattr(
        learning,
        "_after_rounds",
        lambda setup, questions, *_: Progress(questions, (1.0,), answers=held_out, held_out=held_out),
    )
    monkeypatch.setattr(parting_module, "teacher_kl", lambda learned, held_out: [0.0] * 24)

    def scores(system, setup, questions):
        return [0.0] * 24 if system.model is model else [0.0] * wrong + [1.0] * (24 - wrong)

    monkeypatch.setattr(parting_module, "_scores", scores)
    said: list[str] = []
    found = learn(model, EMBEDDED, pieces(model), settings, tmp_path, queries=asked, say=said.append)
    assert bool(found.losses) == steps
    assert ("polish" in found.seconds) == steps
    assert any("no steps on the student's own answers" in text for text in said) != steps
