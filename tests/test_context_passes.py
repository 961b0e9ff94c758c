"""The passes of training: losses and gradients equal to plain ones, whatever is shared, chunked or run again."""

import random

import pytest
import torch

from inweights.context.chunks import chunks_of
from inweights.context.memory import kept_bytes
from inweights.context.passes import Passes
from inweights.context.qa_tokens import Question
from inweights.context.replay import conflicting_rows, neutral_rows
from inweights.context.settings import Settings
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import Template
from inweights.context.train import initial_update
from inweights.context.training_mix import rows_of
from inweights.context.training_rows import Student
from inweights.engine.trees import Tree
from inweights.models.lm_head import head_of
from inweights.models.shared_stems import joined, shared_stems
from inweights.models.training_forward import TrainingForward
from inweights.scoring.chunked_losses import chunked_losses
from inweights.scoring.teacher_logprobs import TeacherLogprobs, divergences
from inweights.sources.types import Context, Section
from tests.tiny import ARCHITECTURES, tiny

TALE = "The judge saw the doctor near the old house. A lazy cook sold seven red lamps to the king; nobody paid him."
LONG = Template(
    "<<<{context}>>>\n\nAnswer the question. Question: {question}\nAnswer:",
    "Answer the question in one word or two, please. Question: {question}\nAnswer:",
    answer_tokens=5,
)
QUESTIONS = [Question(text, 0) for text in ("Did the doctor see the judge?", "Who sold the lamps?", "money", "Who?")]


def mix(model):
    """Rows that begin alike, contexts with several questions, and texts from nothing."""
    pieces = chunks_of(model, Context((Section(TALE, source="tale"),)), 200)
    lessons = teacher_answers_of(model, LONG, pieces[0].text, QUESTIONS)
    rng = random.Random(0)
    replayed = conflicting_rows(model, LONG, pieces, lessons.examples, 2, rng) + neutral_rows(model, 3, rng)
    return [*rows_of(lessons), *replayed], pieces


def learned_of(model, pieces):
    """A LoRA that changes something: B is not zero."""
    learned = initial_update(model, [piece.text for piece in pieces], Settings(rank=2))
    generator = torch.Generator().manual_seed(1)
    for parameter in learned.adapted.parameters.values():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=generator)
    return learned


def gradients(learned, losses):
    losses.sum().backward()
    found = torch.cat([each.grad.flatten() for each in learned.adapted.parameters.values()])
    for each in learned.adapted.parameters.values():
        each.grad = None
    return found


@pytest.mark.parametrize("divergence", [TeacherLogprobs.kl_to, TeacherLogprobs.kl_from])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "bloom"])
def test_losses_and_gradients_are_those_of_whole_logits_of_each_row_alone(architecture, divergence):
    model = tiny(architecture)
    rows, pieces = mix(model)
    learned, student = learned_of(model, pieces), Student(rows, divergence)
    plain = []
    for row in rows:
        logits = learned.model.next_token_logits([row.tree])
        plain.append(divergences([row.logprobs], logits, [len(row.logprobs)], divergence) / student.mean)
    expected = torch.cat(plain)
    expected_gradients = gradients(learned, expected)
    for budget in (None, 1.0):
        passes = Passes(learned.model, learned.adapted.parameters, student, budget)
        assert passes.head is not None
        parts = passes.split(range(len(rows)))
        assert sorted(row for part in parts for row in part) == list(range(len(rows)))
        order = [row for part in parts for row in part]
        found = torch.cat([passes.loss(part) for part in parts])
        torch.testing.assert_close(found.detach(), expected[order].detach(), rtol=1e-5, atol=1e-6)
        scale = expected_gradients.abs().max()
        torch.testing.assert_close(gradients(learned, found) / scale, expected_gradients / scale, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "bloom"])
def test_the_head_alone_gives_the_models_logits(architecture):
    """Gemma 2's soft cap, OPT-350M's narrower head included."""
    model = tiny(architecture)
    trees = [Tree((5, 6, 7, 8, 9), ((10, 11), (12,)), (1, 4, 5, 6, 7))]
    found = head_of(model)(model.hidden_states(trees))
    torch.testing.assert_close(found, model.next_token_logits(trees), rtol=1e-4, atol=1e-5)


def test_a_model_that_changes_its_logits_after_the_head_is_read_whole(causal, monkeypatch):
    """Some architectures scale logits (Granite, Cohere): no list of them is kept."""
    own = type(causal.module).forward

    def scaled(self, *inputs, **options):
        out = own(self, *inputs, **options)
        out.logits = out.logits * 0.5
        return out

    monkeypatch.setattr(type(causal.module), "forward", scaled)
    assert head_of(causal) is None
    rows, pieces = mix(causal)
    learned = learned_of(causal, pieces)
    passes = Passes(learned.model, learned.adapted.parameters, Student(rows))
    logits = learned.model.next_token_logits([rows[0].tree])
    expected = divergences([rows[0].logprobs], logits, [len(rows[0].logprobs)]) / passes.student.mean
    torch.testing.assert_close(passes.loss([0]), expected, rtol=1e-5, atol=1e-6)


def test_losses_in_parts_and_their_gradients_worked_out_by_hand():
    """The loss h^2 at each position, weighted 1, 2 and 3: gradients 2 h w; asked for two positions at a time, then one."""
    hidden, seen = torch.tensor([[1.0], [3.0], [-2.0]], requires_grad=True), []

    def square(some, at):
        seen.append((at.start, at.stop))
        return some[:, 0] ** 2

    losses = chunked_losses(hidden, square, 2)
    assert losses.tolist() == [1.0, 9.0, 4.0]
    assert seen == [(0, 2), (2, 3)]
    (losses * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert hidden.grad.tolist() == [[2.0], [12.0], [-12.0]]


def test_what_texts_begin_with_is_shared_up_to_the_first_token_read():
    begins = tuple(range(10, 20))
    one, other = Tree((*begins, 1, 2), reads=(10, 11)), Tree((*begins, 3), reads=(9, 10))
    unlike, short, branched = Tree(tuple(range(30, 40)), reads=(9,)), Tree((*begins, 4), reads=(2,)), Tree(begins, ((1,),))
    trees = [unlike, one, short, branched, other]
    stems = shared_stems(trees)
    assert stems == [(), begins[:9], (), (), begins[:9]], "the other is read at its tenth token"
    found, order = joined(trees, stems)
    assert order == [0, 2, 3, 1, 4]
    assert found[:3] == [unlike, short, branched]
    assert found[3] == Tree(begins[:9], ((19, 1, 2), (19, 3)), (10, 11, 12, 13))


def test_what_is_kept_for_the_backward_pass_is_counted_without_the_weights(causal):
    """Twice the tokens keep twice the bytes; checkpointed blocks keep less."""
    learned = learned_of(causal, chunks_of(causal, Context((Section(TALE, source="tale"),)), 200))
    trees = [Tree(tuple(range(5, 55)), reads=(49,))]
    parameters = learned.adapted.parameters
    plain, checkpointed = (TrainingForward([learned.model], checkpointing=each) for each in (False, True))
    once = kept_bytes(plain, learned.model, parameters, trees)
    assert kept_bytes(plain, learned.model, parameters, trees * 2) == pytest.approx(2 * once, rel=0.2)
    assert kept_bytes(checkpointed, learned.model, parameters, trees) < once
    assert once > 50 * 32 * 4, "at least one state of each token"


def test_a_smaller_limit_makes_smaller_passes(causal):
    rows, pieces = mix(causal)
    learned = learned_of(causal, pieces)
    parameters, student = learned.adapted.parameters, Student(rows)
    one = Passes(learned.model, parameters, student)
    assert len(one.split([0, 1, 2, 3])) == 1
    assert one.forecast_bytes(4) > 12 * sum(each.numel() for each in parameters.values())
    assert one.forecast_bytes(8) > one.forecast_bytes(1)
