"""A model asked in queries: scores and texts equal those of plain transformers, whatever the contexts and choices."""

import pytest
import torch
from torch import Tensor

from inweights.models.base import Backbone
from inweights.models.language_model import LanguageModel, Sampling
from inweights.models.token_model import TokenModel
from inweights.types import Query, UserError
from tests.test_scoring import reference
from tests.tiny import ARCHITECTURES, ENCODERS, PADDED_ONLY, tiny

CONTEXT = "Did the doctor see the judge? yes\n\nIt rained. Did the king pay the cook? maybe\n\n"
QUERIES = [
    Query("Is the old house red?", (" yes", " no"), CONTEXT),
    Query("nobody paid him, because", (" money was short", " the street", " it rained")),
    Query("Is the street wet?", (" yes", " no"), CONTEXT),
    Query("A lazy cook sold", (" seven red lamps", " the king", " money"), CONTEXT),
    Query("The judge saw", (" the doctor", " the house")),
]
CAUSAL = [*ARCHITECTURES, *PADDED_ONLY]


def plain_scores(architecture: str, query: Query) -> Tensor:
    tokenizer, model = reference(architecture)
    before = tokenizer(query.context + query.text)["input_ids"]
    scores = []
    for choice in query.choices:
        ids = tokenizer(query.context + query.text + choice)["input_ids"]
        assert ids[: len(before)] == before
        log_probs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        scores.append(sum(log_probs[at - 1, ids[at]] for at in range(len(before), len(ids))))
    return torch.stack(scores)


def plain_text(architecture: str, query: Query, tokens: int) -> str:
    tokenizer, model = reference(architecture)
    ids = tokenizer(query.context + query.text, return_tensors="pt")["input_ids"]
    out = model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=tokens, pad_token_id=0)
    start = ids[0, -4:].tolist()
    before = tokenizer.decode(start, skip_special_tokens=True)
    new = out[0, ids.shape[1] :].tolist()
    return tokenizer.decode([*start, *new], skip_special_tokens=True).removeprefix(before)


@pytest.mark.parametrize("architecture", [*CAUSAL, *ENCODERS])
def test_every_local_model_offers_all_three_contracts(architecture):
    model = tiny(architecture)
    assert isinstance(model, LanguageModel)
    assert isinstance(model, TokenModel)
    assert isinstance(model, Backbone)


@pytest.mark.parametrize("architecture", CAUSAL)
@torch.no_grad()
def test_scores_of_queries_equal_plain_transformers(architecture):
    model = tiny(architecture)
    for query, scores in zip(QUERIES, model.score(QUERIES), strict=True):
        torch.testing.assert_close(scores, plain_scores(architecture, query), rtol=0, atol=1e-4)


@pytest.mark.parametrize("architecture", CAUSAL)
def test_greedy_answers_equal_transformers_generate(architecture):
    found = tiny(architecture).generate(QUERIES, 12)
    assert found == [plain_text(architecture, query, 12) for query in QUERIES]


def test_a_score_does_not_depend_on_other_queries(causal):
    with torch.no_grad():
        together = causal.score(QUERIES)
        for query, scores in zip(QUERIES, together, strict=True):
            torch.testing.assert_close(causal.score([query])[0], scores, rtol=0, atol=1e-5)


def test_a_shared_context_is_read_once(causal):
    queries = [Query(f"{text} Is it?", (" yes", " no"), CONTEXT) for text in ("red", "wet", "old", "lazy")]
    before = causal.counter.tokens
    with torch.no_grad():
        causal.score(queries)
    whole = sum(causal.count_tokens([CONTEXT + query.text for query in queries]))
    [context] = causal.count_tokens([CONTEXT])
    assert causal.counter.tokens - before < whole - 2 * context


def test_an_answer_ends_where_its_suffix_begins(causal):
    [text] = causal.generate([QUERIES[0]], 12)
    suffix = text[3:5]
    assert causal.generate([Query(QUERIES[0].text, context=CONTEXT, suffix=suffix)], 12) == [text.split(suffix)[0]]


def test_a_seed_samples_the_same_answers_again_and_another_seed_others(causal):
    first, again, other = (causal.generate(QUERIES, 12, Sampling(1.0, 0.95, seed)) for seed in (1, 1, 2))
    assert first == again != other


def test_sampling_from_almost_nothing_of_the_distribution_is_greedy(causal):
    assert causal.generate(QUERIES, 12, Sampling(1.0, 1e-6)) == causal.generate(QUERIES, 12)


def test_no_queries_have_no_scores_and_no_answers(causal):
    assert causal.score([]) == []
    assert causal.generate([], 5) == []


def test_an_encoder_says_that_it_predicts_no_next_token(encoder):
    for ask in (encoder.score, lambda queries: encoder.generate(queries, 5)):
        with pytest.raises(UserError, match=r"is an encoder .* and predicts no next token"):
            ask(QUERIES)


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "bert"])
def test_linear_layers_have_their_logical_shape_however_they_are_stored(architecture):
    for name, layer in tiny(architecture).linear_layers().items():
        x = torch.randn(3, layer.inputs)
        bias = layer.module._parameters["bias"]
        expected = x @ layer.weight.T + (0 if bias is None else bias)
        assert layer.weight.shape == (layer.outputs, layer.inputs), name
        torch.testing.assert_close(layer.module(x), expected, rtol=1e-4, atol=1e-5)
        assert layer.as_stored(layer.weight).shape == layer.module.weight.shape
