"""The passes of training: losses and gradients equal to plain ones, whatever is shared, chunked or run again."""

import random

import pytest
import torch

from inweights.context.chunks import chunks_of
from inweights.context.passes import Passes
from inweights.context.qa_tokens import Question
from inweights.context.replay import conflicting_rows, neutral_rows
from inweights.context.settings import Settings
from inweights.context.teacher import teacher_answers_of
from inweights.context.template import Template
from inweights.context.train import initial_update
from inweights.context.training_mix import rows_of
from inweights.context.training_rows import Student
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
    replayed = conflicting_rows(model, LONG, pieces, lessons.lessons, 2, rng) + neutral_rows(model, 3, rng)
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
        plain.append(divergences([row.told], logits, [len(row.told)], divergence) / student.mean)
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
