"""Questions that the teacher answers with more than their own piece in its prompt."""

from dataclasses import replace

import pytest
import torch

from inweights.context.chunks import chunks_of
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.surroundings import surroundings, whole_text
from inweights.context.teacher import teacher_answers, teacher_answers_of
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.sources.types import Context, Section
from inweights.types import UserError
from tests.tiny import tiny

PLAIN = Template(answer_tokens=4)
PARTS = [f"The cook number {n} sold red lamps to the old king near the house." for n in range(4)]


def pieces(model):
    found = chunks_of(model, Context(tuple(Section(part, source=f"{n}.txt") for n, part in enumerate(PARTS))), 60)
    assert len(found) == 4
    return found


def with_window(model, tokens: int):
    return replace(model, card=replace(model.card, max_tokens=tokens))


def test_the_whole_context_is_read_where_it_fits_else_as_many_neighbours_as_do():
    model = tiny("llama")
    chunks = pieces(model)
    sizes = [model.count_tokens([PLAIN.context(whole_text(chunks[:count]))])[0] + 64 + 4 for count in range(1, 5)]
    read = {count: surroundings(with_window(model, size), PLAIN, chunks, 1) for count, size in enumerate(sizes, 1)}
    assert read[4] == whole_text(chunks)
    assert read[3] == whole_text(chunks[:3])
    assert read[2] == whole_text(chunks[1:3])
    assert read[1] == chunks[1].text


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_share_of_the_questions_is_answered_with_the_whole_context(share, tmp_path):
    """Known by the teacher's distributions, which are those with one text or the other in its prompt."""
    model = tiny("llama")
    chunks = pieces(model)
    questions = [Question(f"Who paid the king for lamp {n}?", n % 4) for n in range(24)]
    found = teacher_answers(model, PLAIN, chunks, questions, Store(tmp_path), wide=share)
    whole = tables(teacher_answers_of(model, PLAIN, whole_text(chunks), questions))
    narrow = [teacher_answers_of(model, PLAIN, chunk.text, questions[n::4]) for n, chunk in enumerate(chunks)]
    own = {question: table for each in narrow for question, table in tables(each).items()}
    wide = [alike(table, whole[question]) for question, table in tables(found).items()]
    assert all(
        is_wide or alike(table, own[question])
        for (question, table), is_wide in zip(tables(found).items(), wide, strict=True)
    )
    assert sum(wide) / len(wide) == pytest.approx(share, abs=0.3)
    assert len(wide) > 12


def tables(answers):
    return {each.question: told for each, told in zip(answers.examples, answers.logprobs, strict=True)}


def alike(one, other) -> bool:
    return one.log_probs.shape == other.log_probs.shape and torch.allclose(one.log_probs, other.log_probs, atol=1e-4)


def test_a_share_is_a_share():
    with pytest.raises(UserError, match=r"wide is 1.5: expected a share"):
        Settings(wide=1.5)
