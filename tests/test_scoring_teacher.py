"""Teacher targets are the teacher's distributions, and divergences from them are worked out by hand."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from inweights.scoring import LabelTargets, label_scores, target_cache, teacher_targets
from inweights.scoring.divergence import kl, with_rest
from inweights.types import Example, Prompt, UserError
from tests.tiny import tiny

PROMPT = Prompt("question: {text} true?", ("yes", "quite terrible", "not good"), ("yes", "bad", "poor"), " answer:")
EXAMPLES = [Example({"text": text}) for text in ("The judge saw it.", "A lazy cook sold seven lamps", "money")]
SHOWN = [Example({"text": "the king paid"}, 0), Example({"text": "nobody saw the street."}, 1)]
CONTEXTS = [PROMPT.context(SHOWN), PROMPT.context(SHOWN[::-1])]
KINDS = ["labels", "top_k", "vocabulary"]


def answer_logprobs(model, prompt, examples, context=""):
    """The whole vocabulary at every answer position, with gradients, which `teacher_targets` turns off."""
    return teacher_targets.__wrapped__(model, prompt, [context], examples, "vocabulary")[0]


def student_kl(targets, model, prompt, examples):
    """KL(teacher || model) of every example without a context."""
    if isinstance(targets, LabelTargets):
        return targets.kl_to(label_scores(model, prompt, examples))
    pairs = zip(targets, answer_logprobs(model, prompt, examples), strict=True)
    return torch.stack([target.kl_to(one.log_probs).sum() for target, one in pairs])


def test_kl_of_a_coin_worked_out_by_hand():
    fair, biased = torch.tensor([0.5, 0.5]).log(), torch.tensor([0.25, 0.75]).log()
    assert kl(fair, biased).item() == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(2 / 3))
    assert kl(biased, fair).item() == pytest.approx(0.25 * math.log(0.5) + 0.75 * math.log(1.5))


def test_kl_of_a_distribution_from_itself_is_zero():
    same = torch.randn(50, 400, generator=torch.Generator().manual_seed(0)).mul(5).log_softmax(-1)
    assert kl(same, same).abs().max() == 0


def test_a_cell_the_teacher_gives_nothing_adds_nothing():
    teacher, student = torch.tensor([0.0, -math.inf]), torch.tensor([0.5, 0.5]).log().requires_grad_()
    loss = kl(teacher, student)
    assert loss.item() == pytest.approx(math.log(2))
    loss.backward()
    assert student.grad is not None
    assert student.grad.tolist() == [-1.0, 0.0]


@given(st.floats(1e-6, 1 - 1e-6), st.integers(1, 5))
def test_the_rest_cell_holds_what_is_missing(inside, cells):
    top = torch.full((cells,), math.log(inside / cells), dtype=torch.float64)
    others = torch.full((3,), math.log((1 - inside) / 3), dtype=torch.float64)
    found = with_rest(torch.cat([top, others]), torch.arange(cells))
    assert found[-1].exp().item() == pytest.approx(1 - inside, rel=1e-9)


def test_top_cells_and_their_rest_add_up_to_one_and_a_small_rest_is_not_lost():
    said = torch.tensor([40.0, 0.0, 1.0, 2.0]).log_softmax(-1)
    cells = with_rest(said, torch.tensor([0]))
    assert cells[1].item() == pytest.approx(torch.logsumexp(said[1:], 0).item())
    assert cells.isfinite().all()
    assert with_rest(said, torch.tensor([0, 1, 2, 3]))[-1].item() == -math.inf


@torch.no_grad()
def test_label_targets_are_the_distribution_behind_each_context(causal):
    for context, targets in zip(CONTEXTS, teacher_targets(causal, PROMPT, CONTEXTS, EXAMPLES), strict=True):
        expected = label_scores(causal, PROMPT, EXAMPLES, context).log_softmax(-1)
        torch.testing.assert_close(targets.log_probs, expected)


@torch.no_grad()
def test_answers_are_read_at_the_prompts_end_and_inside_every_label_word(causal):
    said = answer_logprobs(causal, PROMPT, EXAMPLES, CONTEXTS[0])
    ids = causal.encode([f"{CONTEXTS[0]}{PROMPT.body(EXAMPLES[1])} not good"])[0]
    log_probs = causal.module(torch.tensor([ids])).logits[0].log_softmax(-1)
    word = len(ids) - len(causal.encode([CONTEXTS[0] + PROMPT.body(EXAMPLES[1])])[0])
    ending = log_probs[-word - 1 : -1]
    torch.testing.assert_close(said[1].log_probs[0], ending[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(said[1].log_probs[-(word - 1) :], ending[1:], rtol=0, atol=1e-4)
    reached = ending.gather(1, torch.tensor(ids[-word:])[:, None])[:-1, 0].cumsum(0).exp()
    torch.testing.assert_close(said[1].weights[-(word - 1) :], reached, rtol=1e-3, atol=1e-9)
    assert [each.weights[0].item() for each in said] == [1.0] * len(EXAMPLES)


@torch.no_grad()
@pytest.mark.parametrize("batch_tokens", [1, 8192])
def test_top_k_targets_are_the_likeliest_tokens_and_the_rest(causal, batch_tokens):
    [whole] = teacher_targets(causal, PROMPT, CONTEXTS[:1], EXAMPLES, "vocabulary")
    [top] = teacher_targets(causal, PROMPT, CONTEXTS[:1], EXAMPLES, "top_k", 5, batch_tokens=batch_tokens)
    for one, other in zip(top, whole, strict=True):
        values, ids = other.log_probs.topk(5, -1)
        torch.testing.assert_close(one.log_probs[..., :5], values, rtol=0, atol=1e-5)
        assert torch.equal(one.ids, ids)
        torch.testing.assert_close(one.log_probs.exp().sum(-1), torch.ones(len(one)))


@pytest.mark.parametrize("kind", KINDS)
def test_the_teacher_does_not_diverge_from_itself(causal, kind):
    [targets] = teacher_targets(causal, PROMPT, [""], EXAMPLES, kind, 5)
    assert student_kl(targets, causal, PROMPT, EXAMPLES).abs().max() < 1e-6


@pytest.mark.parametrize("kind", KINDS)
def test_targets_of_some_rows_are_those_of_these_examples(causal, kind):
    targets = teacher_targets(causal, PROMPT, CONTEXTS, EXAMPLES, kind, 5)[1]
    whole = student_kl(targets, causal, PROMPT, EXAMPLES)
    rows = torch.tensor([2, 0])
    some = LabelTargets(targets.log_probs[rows]) if isinstance(targets, LabelTargets) else [targets[2], targets[0]]
    torch.testing.assert_close(
        student_kl(some, causal, PROMPT, [EXAMPLES[2], EXAMPLES[0]]), whole[rows], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_divergence_has_gradients_that_are_finite(kind):
    model = tiny("llama")
    targets = teacher_targets(model, PROMPT, CONTEXTS, EXAMPLES, kind, 5)[0]
    model.module.requires_grad_(True)
    loss = student_kl(targets, model, PROMPT, EXAMPLES).mean()
    assert loss > 0
    loss.backward()
    gradients = [each.grad for each in model.module.parameters() if each.grad is not None]
    assert all(bool(each.isfinite().all()) for each in gradients)
    assert max(float(each.abs().max()) for each in gradients) > 1e-4


def test_coarser_cells_never_diverge_more(causal):
    kinds = [teacher_targets(causal, PROMPT, CONTEXTS[:1], EXAMPLES, "top_k", k)[0] for k in (1, 5, 50, 10**6)]
    kinds += teacher_targets(causal, PROMPT, CONTEXTS[:1], EXAMPLES, "vocabulary")
    found = torch.stack([student_kl(each, causal, PROMPT, EXAMPLES) for each in kinds])
    assert bool((found.diff(dim=0) > -1e-5).all())
    torch.testing.assert_close(found[-2], found[-1], rtol=1e-4, atol=1e-5)


def test_a_top_k_of_none_is_refused(causal):
    with pytest.raises(UserError, match="top_k is 0: expected at least 1"):
        teacher_targets(causal, PROMPT, CONTEXTS, EXAMPLES, "top_k", 0)


def test_students_scores_need_not_be_normalised():
    targets = LabelTargets(torch.tensor([[0.5, 0.5]]).log())
    torch.testing.assert_close(targets.kl_to(torch.tensor([[3.0, 3.0]])), torch.zeros(1))


@pytest.mark.parametrize("kind", ["labels", "top_k", "vocabulary"])
def test_targets_kept_on_disk_are_asked_for_once_and_are_the_same(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(target_cache, "SHARD", 2)
    model, contexts = tiny("llama"), [PROMPT.context(SHOWN[:1]), PROMPT.context(SHOWN)]
    expected = teacher_targets(model, PROMPT, contexts, EXAMPLES, kind, 5)
    before = model.counter.tokens
    with target_cache.kept_in(tmp_path):
        first = teacher_targets(model, PROMPT, contexts, EXAMPLES, kind, 5)
        asked = model.counter.tokens - before
        next(tmp_path.iterdir()).unlink()  # as if it had been stopped before the last
        again = teacher_targets(model, PROMPT, contexts, EXAMPLES, kind, 5)
    assert 0 < model.counter.tokens - before - asked < asked / 2
    assert len(list(tmp_path.iterdir())) == 2 * -(-len(EXAMPLES) // 2)
    for one, other, third in zip(expected, first, again, strict=True):
        for left, right, last in [(one, other, third)] if kind == "labels" else zip(one, other, third, strict=True):
            torch.testing.assert_close(right.log_probs, left.log_probs, rtol=0, atol=1e-5)
            torch.testing.assert_close(last.log_probs, right.log_probs, rtol=0, atol=1e-5)


def test_targets_of_another_context_or_another_k_are_not_taken_for_these(tmp_path):
    model = tiny("llama")
    with target_cache.kept_in(tmp_path):
        for k in (3, 4):
            for shown in (1, 2):
                teacher_targets(model, PROMPT, [PROMPT.context(SHOWN[:shown])], EXAMPLES, "top_k", k)
    assert len(list(tmp_path.iterdir())) == 4
