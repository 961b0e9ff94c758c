"""Readouts: calibration, ensembles, and what is done with examples that are too long."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from inweights.readouts import Ensemble, Head, LabelWords
from inweights.scoring import label_scores
from inweights.types import Example, Prompt, UserError
from tests.tiny import tiny

PROMPT = Prompt("question: {text} true?", ("yes", "not good"), ("right", "wrong"), " answer:")
DEMONSTRATIONS = tuple(
    Example({"text": text}, label)
    for text, label in [("the king paid", 0), ("nobody saw", 1), ("it rained", 1), ("seven lamps", 0)]
)
SHORT = Example({"text": "the judge"})
LONG = Example({"text": "the judge saw the doctor near the old house " * 12})
ENDLESS = Example({"text": "the judge saw the doctor near the old house " * 400})


def narrow(model, tokens: int):
    """The same model with a shorter context window."""
    return replace(model, card=replace(model.card, max_tokens=tokens))


def test_label_words_are_log_probabilities_behind_the_demonstrations_less_the_offsets():
    model = tiny("llama")
    with torch.no_grad():
        expected = label_scores(model, PROMPT, [SHORT, LONG], PROMPT.context(DEMONSTRATIONS))
    found = LabelWords(model, PROMPT, DEMONSTRATIONS, (0.5, -1.0))([SHORT, LONG])
    torch.testing.assert_close(found, expected - torch.tensor([0.5, -1.0]), rtol=0, atol=1e-5)


def test_an_ensemble_is_the_mean_of_its_members_log_probabilities():
    model = tiny("llama")
    members = (LabelWords(model, PROMPT), LabelWords(model, PROMPT, DEMONSTRATIONS, (1.0, 2.0)))
    expected = (members[0]([SHORT]).log_softmax(-1) + members[1]([SHORT]).log_softmax(-1)) / 2
    torch.testing.assert_close(Ensemble(members)([SHORT]), expected)


def test_a_head_reads_the_last_token_of_a_causal_model_and_the_first_of_an_encoder():
    for architecture, place in (("llama", -1), ("bert", 0)):
        model = tiny(architecture)
        linear = nn.Linear(model.hidden_size, 2)
        ids = model.encode([PROMPT.body(SHORT)])[0]
        inner = model.module.base_model
        with torch.no_grad():
            states = inner(torch.tensor([ids])).last_hidden_state[0]
            torch.testing.assert_close(Head(model, PROMPT, linear)([SHORT])[0], linear(states[place]), rtol=0, atol=1e-5)
            mean = Head(model, PROMPT, linear, "mean")([SHORT])[0]
            torch.testing.assert_close(mean, linear(states.mean(0)), rtol=0, atol=1e-5)


def test_a_query_too_long_for_all_demonstrations_is_scored_behind_fewer_balanced_ones():
    model = tiny("llama")
    one_each = (DEMONSTRATIONS[0], DEMONSTRATIONS[1])
    tokens = {n: len(model.encode([PROMPT.context(one_each if n == 2 else DEMONSTRATIONS)])[0]) for n in (2, 4)}
    query = len(model.encode([PROMPT.body(LONG)])[0])
    words = max(len(ids) for ids in model.encode([f" {word}" for word in PROMPT.verbalizer]))
    assert tokens[2] < tokens[4]
    readout = LabelWords(narrow(model, query + words + tokens[2]), PROMPT, DEMONSTRATIONS)
    found = readout([LONG, SHORT])
    with torch.no_grad():
        long = label_scores(model, PROMPT, [LONG], PROMPT.context(one_each))[0]
        short = label_scores(model, PROMPT, [SHORT], PROMPT.context(DEMONSTRATIONS))[0]
    torch.testing.assert_close(found, torch.stack([long, short]), rtol=0, atol=1e-4)
    assert readout.fallbacks([LONG, SHORT]) == {"with fewer demonstrations": 1}
    assert readout.fallbacks([SHORT]) == {}


@pytest.mark.parametrize("architecture", ["llama", "opt", "bert"])
def test_a_text_longer_than_the_window_is_shortened_inside_its_field_and_counted(architecture):
    model = tiny(architecture)
    encoder = architecture == "bert"
    readout = Head(model, PROMPT, nn.Linear(model.hidden_size, 2)) if encoder else LabelWords(model, PROMPT, DEMONSTRATIONS)
    scores = readout([SHORT, ENDLESS])
    assert bool(torch.isfinite(scores).all())
    assert readout.fallbacks([SHORT, ENDLESS])["shortened"] == 1
    torch.testing.assert_close(scores[0], readout([SHORT])[0], rtol=0, atol=1e-5)


def test_a_pattern_longer_than_the_window_is_an_error():
    wide = replace(PROMPT, pattern="question: " * 60 + "{text}")
    with pytest.raises(UserError, match="tokens and there is room for"):
        LabelWords(narrow(tiny("llama"), 64), wide)([LONG])
