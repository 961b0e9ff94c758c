"""Tokens that all queries begin with are read once, and no score depends on it."""

from dataclasses import replace

import pytest
import torch

from inweights.engine.trees import Tree
from inweights.models.queries import Queries
from inweights.models.shared_beginnings import with_shared_beginnings
from inweights.scoring import label_scores, queries_of
from inweights.types import Example, Prompt
from tests.tiny import ARCHITECTURES, PADDED_ONLY, tiny

PROMPT = Prompt("question: is this sentence true? {text}", ("yes", "quite terrible"), ("yes", "bad"), " answer:")
EXAMPLES = [Example({"text": text}) for text in ("The judge saw it.", "A lazy cook sold seven lamps", "money", "it rained")]
SHOWN = [Example({"text": "the king paid"}, 0), Example({"text": "nobody saw the street."}, 1)]


def queries(prefix, *stems):
    return Queries(prefix, tuple(Tree(stem, ((9, 9),)) for stem in stems), (((1,), (2, 3)),) * len(stems))


@torch.no_grad()
def test_what_all_queries_after_a_prefix_begin_with_moves_to_it_and_the_token_read_stays():
    one, other = with_shared_beginnings([queries((1, 2), (5, 6, 7, 8), (5, 6, 9)), queries((1, 2), (5, 6, 7))])
    assert one == queries((1, 2, 5, 6), (7, 8), (9,))
    assert other == queries((1, 2, 5, 6), (7,))
    [same] = with_shared_beginnings([queries((1,), (5, 6), (5, 6, 7))])
    assert same == queries((1, 5), (6,), (6, 7))
    assert with_shared_beginnings([queries((1,), (5, 6))]) == [queries((1,), (5, 6))]
    assert with_shared_beginnings([Queries((), (), ())]) == [Queries((), (), ())]


@torch.no_grad()
def test_without_a_prefix_one_is_made_where_it_saves_a_tenth_of_the_tokens():
    [long] = with_shared_beginnings([queries((), *[(5, 6, 7, each) for each in range(8)])])
    assert long.prefix == (5, 6, 7)
    few = queries((), *[(5, *range(each, each + 20)) for each in (30, 60)])
    assert with_shared_beginnings([few]) == [few]


def test_reads_are_counted_from_the_new_beginning():
    trees = (Tree((5, 6, 7), reads=(2,)), Tree((5, 6, 7, 8), reads=(1, 3)))
    [found] = with_shared_beginnings([Queries((1,), trees, ((), ()))])
    assert found == Queries((1, 5), (Tree((6, 7), reads=(1,)), Tree((6, 7, 8), reads=(0, 2))), ((), ()))


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, *PADDED_ONLY])
@pytest.mark.parametrize("context", [PROMPT.context(SHOWN), ""], ids=["demonstrations", "no demonstrations"])
@torch.no_grad()
def test_a_score_is_that_of_the_query_alone_and_fewer_tokens_are_read(architecture, context):
    model = tiny(architecture)
    alone = torch.cat([label_scores(model, PROMPT, [each], context) for each in EXAMPLES])
    before = model.counter.tokens
    together = label_scores(model, PROMPT, EXAMPLES, context)
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-4)
    if model.packs:
        asked = queries_of(model, PROMPT, EXAMPLES, context)
        assert model.counter.tokens - before < len(asked.prefix) + sum(map(len, asked.trees)) - 3


def test_scores_with_gradients_are_the_same():
    model = replace(tiny("llama"))
    with torch.no_grad():
        expected = label_scores(model, PROMPT, EXAMPLES)
    torch.testing.assert_close(label_scores(model, PROMPT, EXAMPLES), expected, rtol=0, atol=1e-4)
