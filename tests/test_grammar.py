"""The made language says what its labels claim, and keeps apart what training may see and what it may not."""

import math
import random
from itertools import pairwise

import pytest

from inweights.grammar import patterns, singles, tasks
from inweights.grammar.lexicon import HINTS, PEOPLE, VERBS
from inweights.grammar.sentences import Event, active, passive, random_event, swapped
from tools.embedded import documents
from tools.embedded.language import CANONICAL, ENTROPY, HELD_OUT, LABELS, labelled_item, vocabulary

CARRY = next(number for number, verb in enumerate(VERBS) if verb[0] == "carry")


def test_an_event_reads_as_english_in_every_tense_and_voice():
    event = Event("cook", CARRY, "lamp", "lovely", tense=0, negated=1)
    assert " ".join(active(event)) == "the cook did not carry the lovely lamp ."
    assert " ".join(passive(event)) == "the lovely lamp was not carried by the cook ."
    assert " ".join(active(Event("cook", CARRY, "lamp", tense=1))) == "the cook carries the lamp ."
    assert " ".join(passive(Event("cook", CARRY, "lamp", tense=2))) == "the lamp will be carried by the cook ."


def test_label_words_held_out_are_never_labels_in_training():
    canonical = {word for words in CANONICAL.values() for word in words}
    hints = {word for words in HINTS.values() for word in words}
    assert not set(HELD_OUT) & (set(LABELS) | canonical)
    assert not hints & set(HELD_OUT)
    assert len(set(LABELS)) == len(LABELS)
    assert len(set(HELD_OUT)) == len(HELD_OUT)


@pytest.mark.parametrize("task", tasks.CLASSES)
def test_held_out_patterns_are_not_among_those_of_training(task):
    training, held_out = patterns.patterns(task, "training"), patterns.patterns(task, "held-out")
    assert training
    assert held_out
    assert not set(training) & set(held_out)


@pytest.mark.parametrize("task", tasks.CLASSES)
@pytest.mark.parametrize("outside", [False, True])
def test_every_word_of_every_task_is_in_the_vocabulary_and_a_seed_repeats_it(task, outside):
    made = [labelled_item(task, random.Random(7), outside) for _ in range(2)]
    assert made[0] == made[1]
    rng, known = random.Random(1), set(vocabulary())
    for _ in range(200):
        parts, label = labelled_item(task, rng, outside)
        assert 0 <= label < tasks.CLASSES[task]
        assert all(word in known for sentence in parts for word in sentence)


def test_a_spoilt_sentence_is_never_the_sentence():
    rng = random.Random(2)
    for _ in range(500):
        words = rng.choice((active, passive))(random_event(rng))
        assert singles.spoilt(rng, words) != words


def people(words):
    # `guard` is a verb too.
    return [word for before, word in pairwise(words) if before == "the" and word in PEOPLE]


def test_outside_its_domain_a_false_paraphrase_has_the_roles_exchanged():
    rng = random.Random(3)
    for _ in range(50):
        (first, second), _ = tasks.MAKERS["paraphrase"](rng, 0, True)
        # One is active, the other passive: an exchanged pair names the people in the same order.
        assert people(first) == people(second)
    event = Event("cook", CARRY, "king")
    assert swapped(swapped(event)) == event


def test_a_question_is_answered_by_its_document_or_by_nobody():
    rng = random.Random(4)
    events = documents.facts(rng, 20)
    assert len({(event.verb, event.patient) for event in events}) == 20
    for kind in documents.KINDS:
        for _ in range(50):
            asked = documents.question(rng, events, kind)
            said = [e.agent for e in events if e.patient in asked.words and VERBS[e.verb][2] in asked.words]
            assert [asked.answer] == (said or ["nobody"])
            assert (asked.answer == "nobody") == (kind == "absent")


def test_no_two_events_read_alike_so_that_their_entropy_is_that_of_the_sentences():
    rng = random.Random(0)
    said = {}
    for _ in range(4000):
        event = random_event(rng)
        for voice in (active, passive):
            assert said.setdefault(tuple(voice(event)), (event, voice)) == (event, voice)
    # 2 voices x 24 people x 20 verbs x 48 things x 24 adjectives x 3 tenses x negated or not; in 3 of 10 one of 10 places.
    place = -(0.7 * math.log(0.7) + 0.3 * math.log(0.03))
    assert math.log(2 * 24 * 20 * 48 * 24 * 3 * 2) + place == pytest.approx(ENTROPY)
