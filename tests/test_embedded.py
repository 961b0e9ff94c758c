"""The model that ships: small, quick to load, one token a word, and what its card says of it."""

import json
import random

import torch

from inweights.models import load
from inweights.models.embedded import WEIGHTS
from tools.embedded import train
from tools.embedded.card import card
from tools.embedded.checkpoints import Progress, checkpoint, restore
from tools.embedded.circuit import look_back, look_for, look_nearby
from tools.embedded.episodes import batch, document, episode, recall, text, words
from tools.embedded.language import CANONICAL, HELD_OUT, LABELS, vocabulary
from tools.embedded.tokens import IDS


def test_it_is_small_and_has_nothing_pickled():
    assert sum(path.stat().st_size for path in WEIGHTS.iterdir()) < 8_000_000
    assert not [path for path in WEIGHTS.iterdir() if path.suffix in (".bin", ".pt", ".pkl")]


def test_every_word_is_one_token_and_reads_back():
    model = load("embedded")
    for word in vocabulary():
        ids = model.encode([f"the {word}"])[0]
        assert len(ids) == 3, word
        assert model.decode(ids[2:]).strip() == word


def test_words_join_as_their_text_does():
    model = load("embedded")
    whole = model.encode(["the cook sold it .\nwho ? king"])[0]
    assert whole == model.encode(["the cook sold it .\nwho ?"])[0] + model.encode(["king"])[0][1:]


def test_label_words_held_out_are_in_no_training_label():
    assert not set(HELD_OUT) & set(LABELS)
    assert not set(HELD_OUT) & {word for words_ in CANONICAL.values() for word in words_}

    held = {IDS[word] for word in HELD_OUT}
    rng = random.Random(0)
    for _ in range(50):
        for ids, places in (words(rng), episode(rng, "tense", 17), document(rng, 5)):
            assert not {ids[place] for place in places} & held


def test_training_text_is_the_same_for_the_same_seed():
    for make in (recall, text, lambda r: document(r, 4)):
        assert make(random.Random(3)) == make(random.Random(3))


def test_the_card_is_of_the_figures_and_the_weights_beside_it():
    figures = json.loads((WEIGHTS / "figures.json").read_text())
    assert (WEIGHTS / "README.md").read_text() == card(figures, load("embedded"))


def test_a_batch_pads_on_the_right_and_marks_what_is_predicted():
    ids, asked = batch([([1, 5, 6], [2]), ([1, 7], [1])])
    assert ids.tolist() == [[1, 5, 6], [1, 7, 0]]
    assert asked.tolist() == [[False, False, True], [False, True, False]]


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    def stepped(model, optimizers, progress):
        train.step(model, optimizers, progress, random.Random(progress.step), 1.0)

    torch.manual_seed(0)
    model = train.new_model()
    optimizers, progress = train.optimizers_of(model), Progress()
    stepped(model, optimizers, progress)
    checkpoint(tmp_path, model, optimizers, progress)
    stepped(model, optimizers, progress)

    again = train.new_model()
    optimizers = train.optimizers_of(again)
    resumed = restore(tmp_path, again, optimizers)
    stepped(again, optimizers, resumed)
    assert resumed == progress
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def attention_of(model, block, ids, change):
    """Weights of the attention that block pays, its heads in rows."""
    model.config._attn_implementation = "eager"
    with torch.no_grad():
        change(model.model.layers[block].self_attn)
        return model(input_ids=torch.tensor([ids]), output_attentions=True).attentions[block][0]


def test_a_head_made_to_look_back_does():
    weights = attention_of(train.new_model(), 0, list(range(10, 60)), lambda a: look_back(a, 3, 5))
    assert (weights[3, 5:].argmax(-1) == torch.arange(45)).all()
    assert weights[3, 5:].max(-1).values.min() > 0.8


def test_a_head_made_to_look_for_the_same_word_finds_it_nearby_and_not_at_itself():
    def change(attention):
        look_for(attention, 2, torch.eye(128), torch.eye(128))
        look_nearby(attention, 2)

    ids = [*range(10, 25), 99, *range(30, 40), 99, *range(50, 55)]
    weights = attention_of(train.new_model(), 0, ids, change)
    assert weights[2, 26].argmax() == 15
    assert weights[2, 26, 26] < 0.1


def test_what_is_learnt_is_seen_less_and_becomes_harder():
    progress = Progress()
    before = progress.needs()
    assert before["task tense"] == 0  # nothing to look up before its features are there
    while progress.shots.get("tense", 1) < 4:
        progress.note("canonical tense", 1.0)
    after = progress.needs()
    assert after["canonical tense"] < before["canonical tense"]
    assert after["task tense"] > 0
    assert after["canonical topic"] == before["canonical topic"]
    facts = progress.facts
    while progress.facts == facts:
        progress.note("document", 1.0)
    assert progress.accuracy["document"] < 0.88


def test_fixed_labels_are_read_in_front_of_the_blocks_that_look_up():
    model = train.new_model()
    ran = []
    for number, block in enumerate(model.model.layers):
        block.register_forward_hook(lambda *_, number=number: ran.append(number))
    with train.blocks(model, 3):
        model.model(input_ids=torch.tensor([[1, 2, 3]]))
    assert ran == [0, 1, 2]
    model.model(input_ids=torch.tensor([[1, 2, 3]]))
    assert ran == [0, 1, 2, 0, 1, 2, 3, 4]
