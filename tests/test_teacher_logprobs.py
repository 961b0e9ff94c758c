"""What a teacher says of given answers: exact cells of few tokens, the same behind a prefix as of whole prompts."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM

from inweights.models.causal import CausalLM
from inweights.scoring.completions import Completion, read_completions, teacher_logprobs
from inweights.scoring.teacher_logprobs import TeacherLogprobs, TopK, concatenated, truncated
from inweights.types import UserError
from tests.test_fast_paths import PREFIX
from tests.tiny import folder, tiny

ASKED = [
    Completion((7, 4, 6, 8), (5, 11, 3)),
    Completion((10, 5), (9,)),
    Completion((6, 7, 8, 9, 10, 11), (12, 13, 14, 15, 16)),
]
ALL = TopK(mass=1.0, maximum=10**6)


def log_probs(tokens: int, vocabulary: int, seed: int = 0, sharp: float = 3.0) -> torch.Tensor:
    return (sharp * torch.randn(tokens, vocabulary, generator=torch.Generator().manual_seed(seed))).log_softmax(-1)


def test_a_teacher_does_not_diverge_from_itself():
    for sharp in (0.1, 3.0, 30.0):
        said = log_probs(50, 400, sharp=sharp)
        assert truncated(said).kl_to(said).abs().max() < 1e-6
        assert truncated(said).kl_from(said).abs().max() < 1e-6


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 300), st.sampled_from([0.5, 2.0, 8.0]))
def test_the_rest_is_that_of_the_whole_vocabulary_to_a_millionth(seed, vocabulary, sharp):
    """Against sums in float64; a rest below what fp32 can tell from 1 included."""
    said = log_probs(6, vocabulary, seed, sharp)
    kept = truncated(said)
    for row, ids, cells in zip(said.double(), kept.ids, kept.log_probs, strict=True):
        inside = ids[cells[:-1] > -math.inf]
        others = torch.ones(vocabulary, dtype=torch.bool)
        others[inside] = False
        assert cells[-1].item() == pytest.approx(row[others].exp().sum().log().item(), rel=1e-6, abs=1e-6)
        assert len(set(inside.tolist())) == len(inside)
        torch.testing.assert_close(cells[: len(inside)], row[inside].float(), rtol=0, atol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.5, 0.999), st.integers(1, 8), st.integers(0, 60))
def test_as_few_tokens_are_kept_as_hold_the_mass_within_bounds(seed, mass, least, more):
    bounds = TopK(mass, least, least + more)
    said = log_probs(20, 100, seed, 2.0)
    kept = truncated(said, bounds)
    for row, cells in zip(said, kept.log_probs, strict=True):
        inside = cells[:-1][cells[:-1] > -math.inf]
        by_size = row.exp().sort(descending=True).values
        fewest = next((n for n in range(1, 100) if float(by_size[:n].sum()) >= mass + 1e-6), 100)
        most = next((n for n in range(1, 100) if float(by_size[:n].sum()) >= mass - 1e-6), 100)
        assert min(max(most, least), bounds.maximum) <= len(inside) <= min(max(fewest, least), bounds.maximum)
        assert inside.diff().le(0).all()
    assert kept.ids.shape[1] == max(int((cells[:-1] > -math.inf).sum()) for cells in kept.log_probs)


@pytest.mark.parametrize("vocabulary", [2, 3, 64, 65])
def test_of_a_small_vocabulary_one_token_is_the_rest(vocabulary):
    said = log_probs(5, vocabulary, sharp=0.1)
    kept = truncated(said, TopK(mass=1.0))
    assert kept.ids.shape == (5, min(64, vocabulary - 1))
    torch.testing.assert_close(kept.log_probs.exp().sum(-1), torch.ones(5))
    student = log_probs(5, vocabulary, seed=1)
    full = (said.exp() * (said - student)).sum(-1)
    assert bool((kept.kl_to(student) <= full + 1e-6).all())
    if vocabulary <= 65:  # the rest is a single token: nothing is lost
        torch.testing.assert_close(kept.kl_to(student), full, rtol=1e-4, atol=1e-6)


def test_divergences_both_ways_worked_out_by_hand():
    """Teacher 0.5, 0.3 and a rest of 0.2; student 0.25, 0.25 and 0.3 + 0.2 in the rest."""
    teacher = torch.tensor([[0.5, 0.3, 0.15, 0.05]]).log()
    student = torch.tensor([[0.25, 0.25, 0.3, 0.2]]).log()
    kept = truncated(teacher, TopK(mass=0.75, minimum=1))
    assert kept.ids.tolist() == [[0, 1]]
    forward = 0.5 * math.log(0.5 / 0.25) + 0.3 * math.log(0.3 / 0.25) + 0.2 * math.log(0.2 / 0.5)
    backward = 0.25 * math.log(0.25 / 0.5) + 0.25 * math.log(0.25 / 0.3) + 0.5 * math.log(0.5 / 0.2)
    assert kept.kl_to(student).item() == pytest.approx(forward, rel=1e-5)
    assert kept.kl_from(student).item() == pytest.approx(backward, rel=1e-5)


def test_what_a_teacher_all_but_rules_out_costs_a_student_that_says_it_a_bounded_amount():
    """KL(student || teacher) = log(1 / 1e-6) where the student is sure of what the teacher gives e^-40."""
    teacher = torch.tensor([[40.0, 0.0, 0.0]]).log_softmax(-1)
    student = torch.tensor([[0.0, 60.0, 0.0]]).log_softmax(-1)
    assert truncated(teacher, TopK(minimum=1)).kl_from(student).item() == pytest.approx(13.8, abs=1e-3)


@pytest.mark.parametrize("way", ["kl_to", "kl_from"])
def test_divergences_have_gradients_that_are_finite(way):
    logits = (20 * torch.randn(30, 50, generator=torch.Generator().manual_seed(1))).requires_grad_()
    getattr(truncated(log_probs(30, 50, sharp=20.0)), way)(logits.log_softmax(-1)).sum().backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert float(logits.grad.abs().max()) > 0.1


@pytest.mark.parametrize("bounds", [(0.0, 4, 64), (1.1, 4, 64), (0.9, 0, 64), (0.9, 5, 4)])
def test_bounds_that_hold_nothing_are_refused(bounds):
    with pytest.raises(UserError, match="expected a share above 0 and 1 <= minimum <= maximum"):
        TopK(*bounds)


def test_an_answer_is_read_where_its_tokens_come_next():
    asked = Completion((7, 4, 6), (5, 11, 3))
    assert asked.tree.stem == (7, 4, 6, 5, 11)
    assert asked.tree.positions_read == (2, 3, 4)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt", "gemma2", "mistral", "gpt_neox", "bloom"])
@torch.no_grad()
def test_what_is_told_behind_a_prefix_is_what_transformers_says_of_whole_prompts(architecture):
    model = tiny(architecture)
    plain = AutoModelForCausalLM.from_pretrained(folder(architecture), attn_implementation="eager").eval()
    found = teacher_logprobs(model, model.prefix(PREFIX), ASKED, batch_tokens=10)
    for asked, each in zip(ASKED, found, strict=True):
        ids = torch.tensor([[*PREFIX, *asked.prompt_ids, *asked.completion_ids]])
        expected = plain(ids).logits[0, -len(asked.completion_ids) - 1 : -1].float().log_softmax(-1)
        assert each.kl_to(expected).abs().max() < 1e-5
        whole = truncated(expected)
        assert torch.equal(each.ids[:, 0], whole.ids[:, 0].int())
        torch.testing.assert_close(each.log_probs[:, -1].exp(), whole.log_probs[:, -1].exp(), rtol=0, atol=2e-4)


def test_answers_put_end_to_end_say_what_each_says():
    """Columns that a wider neighbour asks for weigh nothing, whichever way it is measured."""
    narrow, wide = truncated(log_probs(3, 100, sharp=20.0)), truncated(log_probs(4, 100, seed=1, sharp=0.5))
    assert narrow.ids.shape[1] < wide.ids.shape[1]
    both, student = concatenated([narrow, wide], torch.device("cpu")), log_probs(7, 100, seed=2)
    for way in (TeacherLogprobs.kl_to, TeacherLogprobs.kl_from):
        alone = torch.cat([way(narrow, student[:3]), way(wide, student[3:])])
        torch.testing.assert_close(way(both, student), alone, rtol=0, atol=0)
    assert both.ids.dtype == torch.long


def test_nothing_asked_is_nothing_told(causal):
    assert teacher_logprobs(causal, None, []) == []


@torch.no_grad()
def test_a_pass_that_memory_has_no_room_for_is_halved_and_answers_keep_their_order(monkeypatch):
    model, sizes, whole = tiny("llama"), [], CausalLM.next_token_logits
    asked = [Completion((4 + i, 5, 6)[: 1 + i % 3], (7, 8 + i)) for i in range(16)]
    expected = teacher_logprobs(model, None, asked)

    def read(self, trees, *others):
        if len(trees) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        sizes.append(len(trees))
        return whole(self, trees, *others)

    monkeypatch.setattr(CausalLM, "next_token_logits", read)
    for one, other in zip(teacher_logprobs(model, None, asked), expected, strict=True):
        torch.testing.assert_close(one.log_probs, other.log_probs, rtol=0, atol=1e-5)
    assert sizes == [4, 4, 4, 4]


@torch.no_grad()
def test_memory_that_has_no_room_for_one_answer_is_said(monkeypatch):
    def read(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(CausalLM, "next_token_logits", read)
    with pytest.raises(torch.OutOfMemoryError):
        read_completions(tiny("llama"), None, ASKED, lambda numbers, rows: list(rows), 8192)
