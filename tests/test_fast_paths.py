"""Fast paths of reading equal the slow ones on every causal architecture: pieces, several prefixes, few rows, few reads."""

from dataclasses import replace

import pytest
import torch

from inweights.engine.trees import Tree
from inweights.models import batched_forward, causal_forward
from inweights.models.causal import CausalLM
from inweights.scoring import label_logits, label_scores, label_scores_of_each, tokens_at_once
from inweights.types import Example, Prompt
from tests.tiny import ARCHITECTURES, PADDED_ONLY, tiny

CAUSAL = [*ARCHITECTURES, *PADDED_ONLY]
PREFIX = tuple(range(4, 40))
TREES = [Tree((7, 4, 6, 8, 5, 11, 3), ((3, 9), (5,))), Tree((10, 5, 4)), Tree((6, 7, 8, 9, 10, 11), ((12,), (13, 14)))]
PROMPT = Prompt("question: {text} true?", ("yes", "quite terrible", "not good"), ("yes", "bad", "poor"), " answer:")
ONE_TOKEN = replace(PROMPT, verbalizer=("a", "t"), labels=("one", "other"))
EXAMPLES = [Example({"text": text}) for text in ("The judge saw it.", "A lazy cook sold seven lamps", "money", "it rained")]
SHOWN = [Example({"text": "the king paid"}, 0), Example({"text": "nobody saw the street."}, 1)]


@pytest.fixture
def memory_for(monkeypatch):
    """Models have room for so many trees in a pass; sizes of the passes that went through."""
    sizes: list[int] = []

    def limited(most: int) -> list[int]:
        whole = CausalLM.next_token_logits

        def read(self, trees, *others):
            if len(trees) > most:
                raise torch.OutOfMemoryError("CUDA out of memory")
            sizes.append(len(trees))
            return whole(self, trees, *others)

        monkeypatch.setattr(CausalLM, "next_token_logits", read)
        return sizes

    return limited


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_a_prefix_encoded_in_pieces_is_the_prefix(architecture, monkeypatch):
    """Windows of gemma and mistral are shorter than a piece, and longer than another."""
    model = tiny(architecture)
    expected = model.next_token_logits(TREES, model.prefix(PREFIX))
    for most in (5, 16):
        monkeypatch.setattr(causal_forward, "PREFIX_TOKENS", most)
        found = model.prefix(PREFIX)
        assert found.ids == PREFIX
        assert {keys.shape[1] for keys in found.keys} == {len(PREFIX)}
        torch.testing.assert_close(model.next_token_logits(TREES, found), expected, rtol=0, atol=1e-4)


def test_gradients_reach_every_piece_of_a_prefix(monkeypatch):
    model = tiny("llama")
    table = model.module.get_input_embeddings().weight.requires_grad_()
    whole = torch.autograd.grad(model.next_token_logits(TREES, model.prefix(PREFIX)).square().sum(), table)[0]
    monkeypatch.setattr(causal_forward, "PREFIX_TOKENS", 10)
    pieces = torch.autograd.grad(model.next_token_logits(TREES, model.prefix(PREFIX)).square().sum(), table)[0]
    torch.testing.assert_close(pieces, whole, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", CAUSAL)
@torch.no_grad()
def test_trees_behind_prefixes_of_their_own_share_a_pass(architecture):
    model = tiny(architecture)
    one, other = model.prefix(PREFIX), model.prefix(PREFIX[5:17])
    behind = [other, one, None, one, other]
    trees = [TREES[0], TREES[1], TREES[2], TREES[2], TREES[1]]
    alone = torch.cat([model.next_token_logits([tree], prefix) for tree, prefix in zip(trees, behind, strict=True)])
    torch.testing.assert_close(model.next_token_logits(trees, behind), alone, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", CAUSAL)
@torch.no_grad()
def test_the_last_block_run_where_it_is_read_gives_what_the_whole_block_gives(architecture):
    model = tiny(architecture)
    assert model.trims
    trees = [*TREES[:1], *[Tree(tuple(range(start, start + 12))) for start in (4, 9, 20)]]
    for prefix in (None, model.prefix(PREFIX)):
        found = model.next_token_logits(trees, prefix)
        expected = replace(model, trims=False).next_token_logits(trees, prefix)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", CAUSAL)
@torch.no_grad()
def test_some_rows_of_the_head_are_those_of_all(architecture):
    """Soft caps and scales that an architecture puts on logits included."""
    model, rows = tiny(architecture), torch.tensor([9, 4, 100])
    expected = model.next_token_logits(TREES)[:, rows]
    torch.testing.assert_close(model.next_token_logits(TREES, None, rows), expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(model.next_token_logits(TREES)[:, rows], expected, rtol=0, atol=0)


@pytest.mark.parametrize("prompt", [PROMPT, ONE_TOKEN], ids=["several tokens", "one token"])
@pytest.mark.parametrize("architecture", CAUSAL)
@torch.no_grad()
def test_several_contexts_score_as_each_does_and_logits_differ_by_a_constant(architecture, prompt):
    model = tiny(architecture)
    asked = [(EXAMPLES, prompt.context(SHOWN)), (EXAMPLES[:2], ""), (EXAMPLES, prompt.context(SHOWN[:1]))]
    together = label_scores_of_each(model, prompt, asked, batch_tokens=200)
    odds = label_logits(model, prompt, asked, batch_tokens=200)
    for (examples, context), scores, logits in zip(asked, together, odds, strict=True):
        expected = label_scores(model, prompt, examples, context)
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(logits.log_softmax(-1), expected.log_softmax(-1), rtol=0, atol=1e-4)


def test_contexts_that_do_not_fit_together_take_turns(monkeypatch):
    model = tiny("llama")
    asked = [(EXAMPLES, PROMPT.context(SHOWN)), (EXAMPLES, PROMPT.context(SHOWN[::-1]))]
    with torch.no_grad():
        expected = label_scores_of_each(model, PROMPT, asked)
        monkeypatch.setattr(batched_forward, "PREFIX_TOKENS", 1)
        found = label_scores_of_each(model, PROMPT, asked)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


@torch.no_grad()
def test_a_pass_that_memory_has_no_room_for_is_done_again_in_halves(memory_for):
    model, many = tiny("llama"), EXAMPLES * 4
    expected = label_scores(model, PROMPT, many, PROMPT.context(SHOWN))
    sizes = memory_for(5)
    torch.testing.assert_close(label_scores(model, PROMPT, many, PROMPT.context(SHOWN)), expected, rtol=0, atol=1e-5)
    assert sizes == [4, 4, 4, 4]


@torch.no_grad()
def test_memory_that_has_no_room_for_one_query_is_said(memory_for):
    memory_for(0)
    with pytest.raises(torch.OutOfMemoryError):
        label_scores(tiny("llama"), PROMPT, EXAMPLES)


def test_a_cpu_is_given_no_more_at_once_than_its_caches_like():
    assert tokens_at_once(100, 768, "cpu") == 100
    assert tokens_at_once(8192, 768, "cpu") == 2048
    assert tokens_at_once(8192, 768, "cuda") == 8192
