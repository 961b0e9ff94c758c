"""Label scores equal those of plain transformers code: whole prompt, one example at a time."""

from functools import cache

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer

from inweights.models.choice_scores import token_log_probs_of_each
from inweights.scoring import label_scores, queries_of
from inweights.types import Example, Prompt, UserError
from tests.tiny import ARCHITECTURES, PADDED_ONLY, folder, tiny

ONE_TOKEN = ("yes", "no")
MANY_TOKENS = ("yes", "quite terrible", "not good or bad")
EXAMPLES = [
    Example({"text": "The judge saw the doctor."}, 0),
    Example({"text": "A lazy cook sold seven red lamps to the king; nobody paid him."}, 1),
    Example({"text": "It rained {all} day."}, 0),
    Example({"text": "Did the doctor see the old judge near the house that year, or was it a cook?"}, 1),
    Example({"text": "money"}, 0),
]
DEMONSTRATIONS = [Example({"text": "the king paid"}, 0), Example({"text": "nobody saw the street."}, 1)]


def prompt_with(words: tuple[str, ...]) -> Prompt:
    return Prompt("question: {text} true?", words, words, " answer:")


@cache
def reference(architecture):
    place = folder(architecture)
    model = AutoModelForCausalLM.from_pretrained(place, attn_implementation="eager").eval()
    return AutoTokenizer.from_pretrained(place), model


def plain(architecture: str, prompt: Prompt, example: Example, context: str) -> Tensor:
    """Nothing of ours but the text."""
    tokenizer, model = reference(architecture)
    before = tokenizer(context + prompt.body(example))["input_ids"]
    scores = []
    for word in prompt.verbalizer:
        ids = tokenizer(context + prompt.body(example) + " " + word)["input_ids"]
        assert ids[: len(before)] == before
        log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        scores.append(sum(log_probs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return torch.stack(scores)


@pytest.mark.parametrize("words", [ONE_TOKEN, MANY_TOKENS], ids=["one token", "many tokens"])
@pytest.mark.parametrize("shown", [0, 2], ids=["zero-shot", "demonstrations"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY])
@torch.no_grad()
def test_scores_equal_plain_transformers(architecture, shown, words):
    prompt = prompt_with(words)
    context = prompt.context(DEMONSTRATIONS[:shown])
    expected = torch.stack([plain(architecture, prompt, example, context) for example in EXAMPLES])
    model = tiny(architecture)
    assert model.packs == (architecture in ARCHITECTURES)
    for batch_tokens in (1, 64, 8192):
        scores = label_scores(model, prompt, EXAMPLES, context, batch_tokens=batch_tokens)
        torch.testing.assert_close(scores, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shown", [0, 2], ids=["zero-shot", "demonstrations"])
@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY])
def test_gradients_equal_plain_transformers(architecture, shown):
    prompt = prompt_with(MANY_TOKENS)
    context = prompt.context(DEMONSTRATIONS[:shown])
    _, theirs = reference(architecture)
    theirs.zero_grad()
    sum(plain(architecture, prompt, example, context)[example.label] for example in EXAMPLES).backward()
    ours = tiny(architecture)
    ours.module.requires_grad_(True)
    gold = torch.tensor([example.label for example in EXAMPLES])
    label_scores(ours, prompt, EXAMPLES, context).gather(1, gold[:, None]).sum().backward()
    expected = {name: parameter.grad for name, parameter in theirs.named_parameters() if parameter.grad is not None}
    assert len(expected) > 10
    largest = max(float(gradient.abs().max()) for gradient in expected.values())
    for name, parameter in ours.module.named_parameters():
        if name in expected:
            # A bias of the keys has no gradient but rounding: softmax does not see it.
            scale = max(float(expected[name].abs().max()), 0.01 * largest)
            torch.testing.assert_close(parameter.grad / scale, expected[name] / scale, rtol=0, atol=1e-4)


@torch.no_grad()
def test_scores_of_unequal_word_lengths_add_up_over_their_own_tokens(causal):
    [tokens] = token_log_probs_of_each(causal, [queries_of(causal, prompt_with(MANY_TOKENS), EXAMPLES)], 8192)
    lengths = (tokens < 0).sum(-1)
    assert lengths[0].tolist() == sorted(lengths[0].tolist())
    assert lengths[0, 0] < lengths[0, 2] == tokens.shape[2]


@torch.no_grad()
def test_label_words_permuted_permute_the_scores(causal):
    prompt, turned = prompt_with(MANY_TOKENS), prompt_with(MANY_TOKENS[::-1])
    torch.testing.assert_close(
        label_scores(causal, prompt, EXAMPLES), label_scores(causal, turned, EXAMPLES).flip(1), rtol=0, atol=1e-5
    )


@torch.no_grad()
def test_score_of_an_example_does_not_depend_on_its_company(causal):
    prompt = prompt_with(MANY_TOKENS)
    together = label_scores(causal, prompt, EXAMPLES, prompt.context(DEMONSTRATIONS))
    alone = torch.cat([label_scores(causal, prompt, [each], prompt.context(DEMONSTRATIONS)) for each in EXAMPLES])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_an_example_twice_scores_the_same_to_the_last_bit(causal):
    scores = label_scores(causal, prompt_with(ONE_TOKEN), [EXAMPLES[0], EXAMPLES[0]])
    assert torch.equal(scores[0], scores[1])


@torch.no_grad()
def test_no_examples_have_no_scores(causal):
    assert label_scores(causal, prompt_with(MANY_TOKENS), []).shape == (0, 3)


@torch.no_grad()
def test_tokens_are_counted_once_for_the_prefix(causal):
    prompt = prompt_with(ONE_TOKEN)
    context = prompt.context(DEMONSTRATIONS)
    before = causal.counter.tokens
    label_scores(causal, prompt, EXAMPLES, context)
    whole = sum(len(ids) for ids in causal.encode([context + prompt.body(each) for each in EXAMPLES]))
    shared = len(causal.encode([context])[0])
    assert causal.counter.tokens - before <= whole - (len(EXAMPLES) - 1) * (shared - 1)


def test_a_query_longer_than_the_context_window_is_named_with_its_tokens_and_the_limit(causal):
    long = Example({"text": "the judge saw the doctor " * 200})
    with pytest.raises(UserError, match=r"example 2 \('question: the judge.*tokens.*reads at most 512: shorten"):
        label_scores(causal, prompt_with(ONE_TOKEN), [EXAMPLES[0], long])


def test_label_words_with_the_same_tokens_are_refused():
    # Both words are unknown to this tokenizer, which has one token for all that it does not know.
    unknown = Prompt("{text} ?", ("日", "月"), ("sun", "moon"))
    with pytest.raises(UserError, match="label words '日' and '月' have the same tokens"):
        label_scores(tiny("llama"), unknown, EXAMPLES)


def test_an_example_without_text_is_refused_where_nothing_stands_in_front():
    bare = Prompt("{text}", ("yes", "no"), ("yes", "no"))
    with pytest.raises(UserError, match="example 1 is an empty text"):
        label_scores(tiny("gpt2"), bare, [Example({"text": ""})])
