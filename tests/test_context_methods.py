"""Methods of answering about a context: one table, whose rows are fitted on the context and queried alike."""

from types import SimpleNamespace

import pytest

from inweights.context.chunks import chunks_of
from inweights.context.method_inputs import inputs_for
from inweights.context.methods import ALWAYS, CONTEXT_METHODS, IN_PROMPT, RIVALS, systems_of
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.systems import learned_system, respond
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import Template
from inweights.context.train import initial_update
from inweights.sources import read_sources
from tests.tiny import tiny

TEXT = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him.\n"
TEMPLATE = Template("{context}\nQ: {question}\nA:", "Q: {question}\nA:", "\n", 4)
QUESTIONS = [Question("Who saw the doctor?", 0, "the judge"), Question("Who sold the lamps?", 0, "a lazy cook")]
SETTINGS = Settings(epochs=1, size=6)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Two forms, neither trained."""
    model = tiny("llama")
    source = tmp_path_factory.mktemp("methods") / "a.txt"
    source.write_text(TEXT)
    chunks = chunks_of(model, read_sources([str(source)], "auto"), 128)
    answers = teacher_answers_of(model, TEMPLATE, chunks[0].text, QUESTIONS)
    results = {
        form: SimpleNamespace(
            learned=initial_update(model, [TEXT], Settings(form=form, size=6)), answers=answers, seconds={"training": 1.0}
        )
        for form in ("lora", "kv")
    }
    return inputs_for(model, TEMPLATE, chunks, SETTINGS, QUESTIONS, results)


def test_every_row_gives_systems_that_answer_the_same_questions_and_state_their_cost(inputs):
    systems = {each.name: each for each in systems_of(inputs, RIVALS)}
    assert set(systems) == {
        *("alone", "icl-piece", "icl", "icl-cached", "rag", "sft", "next-token"),
        *(f"distilled ({form}){more}" for form in ("lora", "kv") for more in ("", " + rag")),
    }
    for system in systems.values():
        found = respond(system, TEMPLATE, QUESTIONS, "contained")
        assert len(found.answers) == len(found.scores) == len(found.gold_log_probs) == 2
        assert found.gold == ("the judge", "a lazy cook")
        trained = system.name.startswith(("distilled", "sft", "next-token"))
        assert bool(system.trained_parameters) == bool(system.artifact_bytes) == bool(system.adapt_seconds) == trained


def test_a_user_chooses_among_all_methods_but_those_that_are_always_compared(inputs):
    assert {*ALWAYS, *RIVALS} == set(CONTEXT_METHODS)
    assert set(IN_PROMPT) < set(RIVALS)
    assert [each.name for each in systems_of(inputs, ())] == ["alone", "icl-piece", "distilled (lora)", "distilled (kv)"]


def test_a_text_that_does_not_fit_beside_the_longest_question_has_no_row(inputs):
    long = [Question("Who saw the doctor? " * (inputs.model.card.max_tokens // 6))]
    small = inputs_for(inputs.model, TEMPLATE, inputs.chunks, SETTINGS, long)
    assert [each.name for each in systems_of(small, IN_PROMPT)] == ["alone", "icl-piece", "rag"]


@pytest.mark.parametrize("architecture", ["llama", "gemma"])
def test_a_learned_prefix_begins_the_text_so_that_a_question_after_it_has_no_bos(architecture):
    model = tiny(architecture)
    learned = initial_update(model, [TEXT], Settings(form="kv", size=6))
    query = learned_system("student", learned).query(TEMPLATE, QUESTIONS[0])
    [whole] = model.tokenized([query]).trees
    [rest] = learned.model.tokenized([query]).trees
    assert len(model.bos_ids) == learned.front
    assert rest.stem == whole.stem[learned.front :]
