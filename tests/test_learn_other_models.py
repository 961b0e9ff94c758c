"""Another model writes the questions, or answers them: loaded for that and freed, refused before anything runs."""

import json
import weakref
from dataclasses import replace
from pathlib import Path

import pytest

import inweights
from inweights.context.chunks import chunks_of
from inweights.context.learn import learn
from inweights.context.other_model import OtherModel, refuse_unfit
from inweights.context.qa_tokens import Question, answers, question_tokens
from inweights.context.question_sampling import own_questions
from inweights.context.settings import Settings
from inweights.context.teacher import distances, teacher_answers, teacher_answers_of
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.exports.context_card import read
from inweights.sources.types import Context, Section
from inweights.types import UserError, Weights
from tests.tiny import folder, tiny

TALE = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him.\n\n"
PLAIN = Template(answer_tokens=4)
QUESTIONS = [Question("Did the doctor see the judge?", 0), Question("who paid the cook?", 0)]
OWN = Settings(batch_tokens=1024, effort=6.0, epochs=1, rounds=1, held_out=0.2, replay=0.0)


def other(architecture: str) -> OtherModel:
    return OtherModel(Weights(str(folder(architecture))), lambda model: PLAIN)


def pieces(model, times: int = 2):
    return chunks_of(model, Context((Section(TALE * times, source="tale.txt"),)), 100)


def test_a_teacher_gives_the_answers_and_distributions_and_the_student_is_what_they_are_compared_with():
    student, teacher = tiny("llama"), tiny("mistral")
    found = teacher_answers_of(student, PLAIN, TALE, QUESTIONS, teacher=(teacher, PLAIN))
    own = teacher_answers_of(teacher, PLAIN, TALE, QUESTIONS)
    assert [each.with_context for each in found.examples] == [each.with_context for each in own.examples]
    assert all(one.log_probs.equal(two.log_probs) for one, two in zip(found.logprobs, own.logprobs, strict=True))
    alone = question_tokens(student, PLAIN, None, [each.text for each in QUESTIONS]).alone
    assert [each.alone.prompt_ids for each in found.examples] == list(alone)
    assert list(found.bare) == distances(student, [each.alone for each in found.examples], found.logprobs)


def test_a_teacher_with_a_template_of_its_own_reads_the_question_in_that():
    student, teacher = tiny("llama"), tiny("mistral")
    own = replace(PLAIN, behind="{context}\nquestion: {question}\nAnswer:")
    found = teacher_answers_of(student, PLAIN, TALE, QUESTIONS, teacher=(teacher, own))
    read = question_tokens(teacher, own, TALE, [each.text for each in QUESTIONS])
    outputs = answers(teacher, own, read.prefix, read.with_context)
    wanted = dict(zip(QUESTIONS, zip(read.with_context, outputs, strict=True), strict=True))
    assert found.examples
    assert all(
        (each.with_context.prompt_ids, each.with_context.completion_ids) == wanted[each.question] for each in found.examples
    )


def test_answers_of_another_teacher_are_kept_apart(tmp_path):
    student, store = tiny("llama"), Store(tmp_path)
    for teacher in (None, (tiny("mistral"), PLAIN), (tiny("gemma"), PLAIN), None):
        teacher_answers(student, PLAIN, pieces(student)[:1], QUESTIONS, store, teacher=teacher)
    assert len(list(tmp_path.rglob("*.safetensors"))) == 3


def test_the_asker_writes_the_questions_in_its_own_tokens_and_the_teacher_answers_them(tmp_path):
    student, asker, teacher = tiny("llama"), tiny("opt"), tiny("mistral")
    chunks = pieces(student)
    result = learn(student, PLAIN, chunks, OWN, tmp_path / "w", asker=other("opt"), teacher=other("mistral"))
    learned = [each.question for each in (*result.answers.examples, *result.held_out.examples)]
    tokens = [OWN.effort * len(ids) for ids in student.encode([each.text for each in chunks])]
    assert set(learned) <= set(own_questions(asker, PLAIN, chunks, tokens, Store(tmp_path / "x"), OWN.seed))
    own = teacher_answers_of(teacher, PLAIN, chunks[0].text, [each for each in learned if each.chunk == 0])
    given = {each.question: each.with_context for each in own.examples}
    assert all(given[each.question] == each.with_context for each in result.answers.examples if each.question.chunk == 0)


def test_another_model_is_freed_after_its_work():
    with other("llama").loaded() as (model, template):
        module = weakref.ref(model.module)
        assert template is PLAIN
    del model
    assert module() is None


def test_a_model_that_does_not_fit_its_part_is_refused_from_its_tokenizer_and_configuration_alone():
    student = tiny("llama")
    refuse_unfit(student, "", "")
    refuse_unfit(student, str(folder("gpt2")), str(folder("mistral")))
    for architecture in ("gpt2", "qwen2"):  # the latter of as many tokens
        with pytest.raises(UserError, match=r"--teacher .* has another tokenizer than .*, or give it as --asker"):
            refuse_unfit(student, "", str(folder(architecture)))
    with pytest.raises(UserError, match=r"--asker .* is of the family encoder: expected a causal language model"):
        refuse_unfit(student, str(folder("bert")), "")


def test_who_took_part_stands_in_the_record_the_card_and_the_readme(tmp_path: Path):
    (tmp_path / "facts.txt").write_text("the cook carried the lamp . the king washed the apple .\n")
    (tmp_path / "queries.txt").write_text("who carried the lamp ?\nwho washed the apple ?\n")
    given = {"queries": tmp_path / "queries.txt", "asker": "embedded", "teacher": "embedded@fp32", "progress": False}
    report = inweights.learn(tmp_path / "facts.txt", "embedded", tmp_path / "out", **given)
    assert (report.asker, report.teacher) == ("embedded", "embedded@fp32")
    assert read(tmp_path / "out").report == report
    assert json.loads((tmp_path / "out" / "context_card.json").read_text())["report"]["teacher"] == "embedded@fp32"
    assert "Answers with the context given by embedded@fp32." in (tmp_path / "out" / "README.md").read_text()
