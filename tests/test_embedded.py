"""The model that ships: small, quick to load, one token a word, and what its card says of it."""

import json
import random

import torch

from inweights.grammar.lexicon import CANONICAL, HELD_OUT, LABELS, vocabulary
from inweights.models import load
from inweights.models.embedded import WEIGHTS, train
from inweights.models.embedded.episodes import Level, batch, document, episode, gaps, recall, text, words
from inweights.models.embedded.tokens import IDS


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
        for ids, places in (words(rng, Level()), episode(rng, "tense", Level(labels=149)), document(rng, 5)):
            assert not {ids[place] for place in places} & held


def test_training_text_is_the_same_for_the_same_seed():
    for make in (lambda r: recall(r, Level()), lambda r: text(r), lambda r: document(r, 4)):
        assert make(random.Random(3)) == make(random.Random(3))


def test_the_card_has_the_figures_that_were_measured():
    figures = json.loads((WEIGHTS / "figures.json").read_text())
    card = (WEIGHTS / "README.md").read_text()
    for group in ("easy", "hard"):
        assert f"{figures[group]['icl']:.3f}" in card
    for kind, value in figures["documents"].items():
        assert kind in card
        assert f"{value:.3f}" in card


def test_a_batch_pads_on_the_right_and_marks_what_is_predicted():
    ids, asked = batch([([1, 5, 6], [2]), ([1, 7], [1])])
    assert ids.tolist() == [[1, 5, 6], [1, 7, 0]]
    assert asked.tolist() == [[False, False, True], [False, True, False]]


def test_training_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path):
    def stepped(model, optimizers, progress):
        train.step(model, optimizers, progress, random.Random(progress.step), 1.0)

    torch.manual_seed(0)
    model = train.new_model()
    optimizers, progress = train.optimizers_of(model), train.Progress()
    stepped(model, optimizers, progress)
    train.checkpoint(tmp_path, model, optimizers, progress)
    stepped(model, optimizers, progress)

    again = train.new_model()
    optimizers = train.optimizers_of(again)
    resumed = train.restore(tmp_path, again, optimizers)
    stepped(again, optimizers, resumed)
    assert resumed == progress
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_gap_is_as_wide_as_the_level_allows_and_its_frame_stays_where_there_is_no_variety():
    ids, places = gaps(random.Random(5), Level(labels=4, gap=7))
    starts = [1, *(place + 2 for place in places[:-1])]
    frames = [ids[start:place] for start, place in zip(starts, places, strict=True)]
    assert {len(frame) for frame in frames} == {len(frames[0])}
    assert sum(len(set(column)) > 1 for column in zip(*frames, strict=True)) == 1
