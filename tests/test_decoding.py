"""Texts continued token by token equal transformers' greedy generation on every causal architecture, behind anything."""

from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM

from inweights.engine.trees import Tree
from inweights.models import decoding
from inweights.models.decoding import continued
from inweights.models.next_token import sampling
from inweights.types import UserError
from inweights.updates import LoRA, PrefixTuning
from tests.test_fast_paths import PREFIX
from tests.tiny import ARCHITECTURES, PADDED_ONLY, folder, tiny

CAUSAL = [*ARCHITECTURES, *PADDED_ONLY]
STEMS = [(7, 4, 6, 8, 5, 11, 3), (10, 5, 4), tuple(range(6, 21))]
"""The longest is longer than the windows of gemma and mistral, as the prefix is."""
MOST = 24


def generated(architecture: str, front: tuple[int, ...]) -> list[list[int]]:
    """By transformers alone, one whole prompt at a time."""
    plain = AutoModelForCausalLM.from_pretrained(folder(architecture), attn_implementation="eager").eval()
    plain.generation_config.eos_token_id = None
    found = []
    for stem in STEMS:
        ids = torch.tensor([[*front, *stem]])
        out = plain.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=MOST, pad_token_id=0)
        found.append(out[0, ids.shape[1] :].tolist())
    return found


def moved(update, model):
    """The model with an update that changes what it says."""
    adapted = update.apply(model, 0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in adapted.parameters.values():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
    return adapted.model


def whole_texts(model, stems, prefix, most=MOST):
    """The slow path, which models take whose attention is their own."""
    steps, said = decoding._WholeTexts(model, stems, [prefix] * len(stems)), [[] for _ in stems]
    with torch.no_grad():
        for _ in range(most):
            tokens = decoding.greedy(steps.logits())
            for text, token in zip(said, tokens, strict=True):
                text.append(token)
            steps.go_on(range(len(stems)), tokens)
    return said


@pytest.mark.parametrize("architecture", CAUSAL)
def test_a_continuation_is_what_transformers_generates(architecture):
    model = tiny(architecture)
    assert continued(model, STEMS, None, MOST, ()) == generated(architecture, ())
    assert continued(model, STEMS, model.prefix(PREFIX), MOST, ()) == generated(architecture, PREFIX)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_steps_say_what_whole_texts_say_behind_a_lora(architecture):
    model = moved(LoRA(), tiny(architecture))
    assert continued(model, STEMS, model.prefix(PREFIX), MOST, ()) == whole_texts(model, STEMS, model.prefix(PREFIX))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_steps_say_what_whole_texts_say_behind_a_learnt_prefix(architecture):
    model = moved(PrefixTuning(5), tiny(architecture))
    assert continued(model, STEMS, None, MOST, ()) == whole_texts(model, STEMS, None)
    assert continued(model, STEMS, model.prefix(PREFIX), MOST, ()) == whole_texts(model, STEMS, model.prefix(PREFIX))


@pytest.mark.parametrize("architecture", CAUSAL)
def test_texts_behind_prefixes_of_their_own_are_continued_together(architecture):
    """One that ends takes its prefix with it."""
    model = tiny(architecture)
    behind = [model.prefix(PREFIX), None, model.prefix(PREFIX[5:17])]
    alone = [continued(model, [stem], prefix, 12, ())[0] for stem, prefix in zip(STEMS, behind, strict=True)]
    assert continued(model, STEMS, behind, 12, ()) == alone
    end = alone[0][3]
    cut = [each[: each.index(end) + 1] if end in each else each for each in alone]
    assert continued(model, STEMS, behind, 12, {end}) == cut


def test_a_model_that_does_not_pack_is_read_by_whole_texts():
    model = tiny("bloom")
    assert not model.packs
    assert continued(model, STEMS, model.prefix(PREFIX), 4, ()) == whole_texts(model, STEMS, model.prefix(PREFIX), 4)


def test_a_text_ends_with_the_first_token_that_ends_it_and_others_go_on():
    model = tiny("llama")
    whole = continued(model, STEMS, None, MOST, ())
    end = whole[0][5]
    cut = [each[: each.index(end) + 1] if end in each else each for each in whole]
    assert len({*map(len, cut)}) > 1
    told: list[tuple[int, int]] = []
    assert continued(model, STEMS, None, MOST, {end}, seen=lambda *each: told.append(each)) == cut
    assert [[token for text, token in told if text == number] for number in range(len(STEMS))] == cut


def test_what_a_text_says_does_not_depend_on_the_texts_beside_it():
    """Nor where it ends, which is where its own window is full."""
    model = tiny("qwen2")
    short = replace(model, card=replace(model.card, max_tokens=24))
    alone = [continued(short, [stem], None, 100, ())[0] for stem in STEMS]
    assert continued(short, STEMS, None, 100, ()) == alone
    assert [len(stem) + len(each) for stem, each in zip(STEMS, alone, strict=True)] == [25, 25, 25]


def test_what_stands_in_front_takes_up_its_tokens_once():
    """A prefix behind what was learnt counts the latter's tokens, which the card has left room for already."""
    model = tiny("llama")
    learned = moved(PrefixTuning(5), replace(model, card=replace(model.card, max_tokens=40)))
    assert learned.card.max_tokens == 35
    assert [len(each) for each in continued(learned, [(7, 4)], learned.prefix((5, 3, 9)), 100, ())] == [31]
    assert [len(each) for each in continued(learned, [(7, 4)], None, 100, ())] == [34]


def test_a_text_that_fills_its_window_says_one_token_and_a_longer_one_is_refused():
    model = tiny("llama")
    full = replace(model, card=replace(model.card, max_tokens=15))
    assert [len(each) for each in continued(full, STEMS[2:], None, 100, ())] == [1]
    with pytest.raises(UserError, match="a prompt has 16 tokens"):
        continued(full, [(*STEMS[2], 4)], None, 100, ())


@pytest.mark.parametrize("architecture", ["llama", "bloom"])
def test_nothing_asked_is_nothing_said(architecture):
    model = tiny(architecture)
    before = model.counter.tokens
    assert continued(model, [], None, MOST, ()) == []
    assert continued(model, STEMS, None, 0, ()) == [[], [], []]
    assert model.counter.tokens == before


def test_texts_longer_than_the_room_made_at_first_go_on():
    """Room is made for 64 tokens at a time; the two texts reach it at different steps."""
    model = tiny("llama")
    assert continued(model, STEMS[:2], None, 150, ()) == whole_texts(model, STEMS[:2], None, 150)


def test_a_seed_draws_the_same_texts_and_another_draws_others():
    model = tiny("llama")

    def drawn(seed: int, temperature: float = 1.0) -> list[list[int]]:
        choose = sampling(temperature, torch.Generator().manual_seed(seed))
        return continued(model, STEMS, model.prefix(PREFIX), MOST, (), choose)

    assert drawn(0) == drawn(0) != drawn(1)
    assert drawn(0, 1e-4) == continued(model, STEMS, model.prefix(PREFIX), MOST, ())


def test_draws_are_as_frequent_as_the_model_says():
    """Of 4,000 first tokens, within five standard errors."""
    model = tiny("llama")
    with torch.no_grad():
        expected = model.next_token_logits([Tree(STEMS[0])]).softmax(-1)[0]
    likeliest = int(expected.argmax())
    choose = sampling(1.0, torch.Generator().manual_seed(0))
    said = [text[0] for _ in range(20) for text in continued(model, STEMS[:1] * 200, None, 1, (), choose)]
    share = float(expected[likeliest])
    assert said.count(likeliest) / 4000 == pytest.approx(share, abs=5 * (share * (1 - share) / 4000) ** 0.5)


def test_every_token_that_is_read_counts_once():
    """The stems, and each token said but a text's last; texts read anew count whole."""
    model = tiny("llama")
    prefix, before = model.prefix(PREFIX), model.counter.tokens
    continued(model, STEMS, prefix, 3, ())
    assert model.counter.tokens - before == sum(map(len, STEMS)) + 2 * 3
