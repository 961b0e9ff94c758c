"""How long a context is trained on by default, what memory a pass takes, and answers that come with questions."""

import math

import pytest
import torch

from inweights.context.given_answers import SMOOTHING, taught
from inweights.context.memory import reading_tokens, reads_at_once
from inweights.context.qa_tokens import Question
from inweights.context.settings import MINIMUM_BATCH, STEPS, Settings
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import EMBEDDED
from inweights.models import load
from inweights.types import UserError

FACTS = "the cook carried the lamp . the king washed the apple ."


@pytest.mark.parametrize("answers", [1, 16, 78, 400, 5000])
def test_by_default_a_context_is_learned_in_a_minimum_of_steps_however_few_the_answers(answers):
    settings = Settings()
    rows = settings.epochs_of(answers) * answers
    schedule = settings.schedule(rows, 50.0, 576)
    assert schedule.steps(rows, None) >= STEPS
    assert schedule.batch_size >= min(MINIMUM_BATCH, rows // STEPS)
    assert rows >= STEPS * MINIMUM_BATCH


def test_given_epochs_and_steps_are_taken_as_they_are():
    assert Settings(epochs=3).epochs_of(10) == 3
    assert Settings(epochs=3, batch_tokens=100).schedule(30, 10.0, 576).batch_size == 10
    assert Settings(steps=50).epochs_of(20) * 20 == 50 * MINIMUM_BATCH
    assert Settings(epochs=3, steps=15, batch_tokens=100).schedule(30, 10.0, 576).batch_size == 2
    with pytest.raises(UserError, match="steps is 0"):
        Settings(steps=0)


def test_the_default_rate_goes_with_the_width_and_a_given_one_does_not():
    assert Settings().peak_lr(576) == 2e-3
    assert Settings().peak_lr(1152) == 1e-3
    assert Settings(lr=5e-4).peak_lr(1152) == 5e-4
    assert Settings(lr=1e-3, width=512).peak_lr(1024) == 5e-4
    assert Settings("kv").peak_lr(1152) == Settings("kv").peak_lr(576) == 1e-2


def test_few_answers_are_learned_in_one_round_and_many_in_several():
    assert Settings().rounds_of(25) == 1
    assert Settings().rounds_of(5000) == 2
    assert Settings(epochs=2).rounds_of(25) == 2


def test_a_pass_has_as_many_tokens_as_memory_allows(causal):
    """The tiny model's logits are small."""
    assert reading_tokens(causal) == 8192
    assert reads_at_once(causal) > 8192


def test_a_given_answer_replaces_one_of_the_teachers_that_does_not_contain_it():
    model = load("embedded")
    questions = [
        Question("who carried the lamp ?", 0, gold="cook"),
        Question("who washed the apple ?", 0, gold="nurse"),
        Question("who washed the apple ?", 0),
    ]
    answered = teacher_answers_of(model, EMBEDDED, FACTS, questions)
    found = taught(model, EMBEDDED, answered)
    assert (found.given, found.contradicted, len(found.rows)) == (2, 1, 3)
    assert "1 of the teacher's answers" in found.summary
    gold = found.rows[1]
    assert model.decode([int(gold.logprobs.likeliest[0])]).strip() == "nurse"
    assert gold.logprobs.log_probs.exp().sum(-1).allclose(torch.ones(1))
    assert gold.logprobs.log_probs[0, 0].item() == pytest.approx(math.log(1 - SMOOTHING))


def test_a_given_answer_is_taught_up_to_the_token_that_ends_the_teachers_answers(causal):
    from inweights.context.given_answers import gold_tokens
    from inweights.context.template import Template

    template = Template(answer_tokens=6)
    tokens = gold_tokens(causal, template, Question("who paid?", gold="the judge"))
    assert causal.decode(tokens).strip() == "the judge"
    [bare, whole] = causal.encode([template.bare("who paid?"), template.bare("who paid?") + " the judge"])
    assert (*bare, *tokens) == tuple(whole)
