"""Prompts become tokens as whole texts, in batches of like length, and those too long are cut by rule."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

from inweights.methods.in_context import batch_offsets, contextual_offsets
from inweights.scoring import batches_of, fitting_demonstrations, fitting_example, label_scores, queries_of
from inweights.types import Example, Prompt, UserError
from tests.tiny import tiny

PAIRS = Prompt("Premise: {one} Hypothesis: {two} true?", ("Yes", "No"), ("yes", "no"), " answer:")
DEMONSTRATIONS = [
    Example({"one": f"the judge saw {n} lamps near the old house.", "two": f"nobody paid {n} kings"}, n % 2)
    for n in range(16)
]
QUERIES = [Example({"one": text, "two": "it rained"}) for text in ("money", "  two\n\nlines ", "a lazy cook; ▁ and Ġ")]


@pytest.mark.parametrize("separator", ["\n\n", " ", " ### ", ""], ids=["blank line", "space", "marks", "nothing"])
@pytest.mark.parametrize("architecture", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize("shown", [0, 1, 16])
def test_queries_hold_the_tokens_of_the_whole_text(architecture, separator, shown):
    model = tiny(architecture)
    model = replace(model, card=replace(model.card, max_tokens=10**6))
    prompt = Prompt(PAIRS.pattern, PAIRS.verbalizer, PAIRS.labels, PAIRS.answer_prefix, separator)
    context = prompt.context(DEMONSTRATIONS[:shown])
    queries = queries_of(model, prompt, QUERIES, context)
    for example, tree, words in zip(QUERIES, queries.trees, queries.words, strict=True):
        for word, ids in zip(prompt.verbalizer, words, strict=True):
            whole = model.encode([f"{context}{prompt.body(example)} {word}"])[0]
            assert [*queries.prefix, *tree.stem, *ids] == whole
    assert len(queries.prefix) >= len(model.encode([context])[0]) - 3 if context else not queries.prefix


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40), min_size=1, max_size=4), st.text(max_size=30), st.integers(0, 9))
def test_any_text_has_the_tokens_of_the_whole(causal, texts, shown, repeats):
    prompt = Prompt("{t} ?", ("yes", "no"), ("yes", "no"))
    context = prompt.context([Example({"t": f"{shown} the judge saw the doctor {n}"}, 0) for n in range(repeats)])
    queries = queries_of(causal, prompt, [Example({"t": text}) for text in texts], context)
    for text, tree, words in zip(texts, queries.trees, queries.words, strict=True):
        whole = causal.encode([f"{context}{prompt.body(Example({'t': text}))} yes"])[0]
        assert [*queries.prefix, *tree.stem, *words[0]] == whole


def test_a_label_word_that_melts_into_the_prompt_is_scored_from_where_their_tokens_part(causal):
    letters = {letter: index for index, letter in enumerate("?abdeinosty ")}
    merged = {"? ": 12, "? y": 13}
    melting = Tokenizer(models.BPE({**letters, **merged}, [("?", " "), ("? ", "y")]))
    model = replace(causal, tokenizer=PreTrainedTokenizerFast(tokenizer_object=melting), bos_ids=())
    prompt = Prompt("{t}?", ("yes", "no"), ("yes", "no"))
    queries = queries_of(model, prompt, [Example({"t": "is it"}), Example({"t": "?"})])
    assert [model.decode(tree.stem).replace(" ", "") for tree in queries.trees] == ["isit", "?"]
    assert queries.words[0] == ((13, letters["e"], letters["s"]), (12, letters["n"], letters["o"]))


@given(st.lists(st.integers(1, 300), max_size=50), st.integers(1, 2000))
def test_batches_hold_every_sequence_once_and_keep_to_the_budget(lengths, budget):
    batches = batches_of(lengths, budget)
    assert sorted(index for each in batches for index in each) == list(range(len(lengths)))
    for each in batches:
        assert len(each) == 1 or max(lengths[i] for i in each) * len(each) <= budget
    assert [lengths[i] for each in batches for i in each] == sorted(lengths, reverse=True)


def test_whole_turns_of_demonstrations_are_left_out_where_they_do_not_fit(causal):
    size = len(causal.encode([PAIRS.context(DEMONSTRATIONS)])[0])
    assert fitting_demonstrations(causal, PAIRS, DEMONSTRATIONS, size) == tuple(DEMONSTRATIONS)
    kept = fitting_demonstrations(causal, PAIRS, DEMONSTRATIONS, size - 1)
    assert kept == tuple(DEMONSTRATIONS[:14])
    assert fitting_demonstrations(causal, PAIRS, DEMONSTRATIONS, 3) == ()


def test_text_is_cut_at_the_end_of_its_longest_field_and_the_scaffold_stays(causal):
    long = Example({"one": "the judge saw the doctor " * 30, "two": "it rained"}, 1)
    room = 80
    short = fitting_example(causal, PAIRS, long, room)
    assert len(causal.encode([PAIRS.body(short)])[0]) <= room
    assert long.fields["one"].startswith(short.fields["one"])
    assert len(short.fields["one"].split()) > 5
    assert PAIRS.body(short).endswith("Hypothesis: it rained true? answer:")
    one_more = Example({**short.fields, "one": short.fields["one"] + " judge"})
    assert len(causal.encode([PAIRS.body(one_more)])[0]) > room
    assert fitting_example(causal, PAIRS, QUERIES[0], room) == QUERIES[0]


def test_text_around_the_field_that_does_not_fit_is_an_error(causal):
    with pytest.raises(UserError, match=r"takes \d+ tokens and there is room for 5: use a shorter pattern"):
        fitting_example(causal, PAIRS, QUERIES[0], 5)


@torch.no_grad()
def test_contextual_calibration_is_the_mean_distribution_of_content_free_queries(causal):
    empty = [Example({"one": text, "two": text}) for text in ("N/A", "[MASK]", "")]
    expected = label_scores(causal, PAIRS, empty).softmax(-1).mean(0)
    torch.testing.assert_close(contextual_offsets(causal, PAIRS, "").exp(), expected)


@torch.no_grad()
def test_contextual_calibration_skips_a_query_that_would_be_empty():
    bare = Prompt("{t}", ("yes", "no"), ("yes", "no"))
    assert contextual_offsets(tiny("gpt2"), bare, "").exp().sum().item() == pytest.approx(1)


@torch.no_grad()
def test_batch_calibration_makes_the_mean_log_probability_of_every_label_zero(causal):
    offsets = batch_offsets(label_scores(causal, PAIRS, QUERIES))
    told = label_scores(causal, PAIRS, QUERIES).log_softmax(-1) - offsets
    torch.testing.assert_close(told.mean(0), torch.zeros(2), rtol=0, atol=1e-5)
