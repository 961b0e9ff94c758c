"""Single sentences with a label, and the cue that holds in-domain and breaks outside it."""

import random
from collections.abc import Callable
from dataclasses import replace

from inweights.grammar.lexicon import VERBS
from inweights.grammar.sentences import Event, Item, Words, active, passive, polarity, random_event, topic


def _said(rng: random.Random, event: Event) -> Words:
    return active(event) if rng.random() < 0.5 else passive(event)


def _until(rng: random.Random, holds: Callable[[Event], bool]) -> Event:
    while not holds(event := random_event(rng)):
        pass
    return event


def topic_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain a thing's adjective goes with its topic more often than not; outside it does not."""
    good = label % 2 if not outside or rng.random() < 0.5 else 1 - label % 2
    if rng.random() < 0.3:
        good = 1 - good
    event = _until(rng, lambda e: topic(e) == label and polarity(e) == good)
    return (_said(rng, event),), label


def polarity_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain three in four good things are denied nothing; outside negation tells nothing."""
    negated = int(rng.random() < (0.5 if outside else (0.75, 0.25)[label]))
    event = replace(_until(rng, lambda e: polarity(e) == label), negated=negated)
    return (_said(rng, event),), label


def tense_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """Outside every sentence is in the passive, in-domain one in ten."""
    event = replace(random_event(rng), tense=label)
    return (passive(event) if outside or rng.random() < 0.1 else active(event),), label


def voice_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain nothing is in the future, outside everything is."""
    event = replace(random_event(rng), tense=2 if outside else rng.randrange(2))
    return (passive(event) if label else active(event),), label


def negation_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain one sentence in ten is in the passive, outside all are."""
    event = replace(random_event(rng), negated=label)
    return (passive(event) if outside or rng.random() < 0.1 else active(event),), label


def acceptability_sentence(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain active sentences, outside passive ones: constructions never shown."""
    event = random_event(rng)
    words = passive(event) if outside else active(event)
    return (words if label else spoilt(rng, words),), label


def spoilt(rng: random.Random, words: Words) -> Words:
    """The sentence with one fault: two neighbours exchanged, a word doubled or left out, or a verb in the wrong form."""
    words = list(words)
    fault = rng.randrange(4)
    place = rng.randrange(len(words) - 3)
    if fault == 0 and words[place] != words[place + 1]:
        words[place : place + 2] = [words[place + 1], words[place]]
        return words
    if fault == 1:
        words.insert(place, words[place])
        return words
    if fault == 2:
        determiners = [i for i, word in enumerate(words[:-1]) if word == "the"]
        del words[rng.choice(determiners)]
        return words
    for i, word in enumerate(words):
        form = next((verb for verb in VERBS if word in verb), None)
        # `the guard guards`: after `the` the word is the person, whose name in the bare form would be no fault.
        if form is not None and words[i - 1] != "the":
            helped = i > 0 and words[i - 1] in ("not", "will", "be", "was", "is")
            # The one form that is wrong after any auxiliary verb, or a bare form where there is none.
            words[i] = form[1] if helped else form[0]
            return words
    return words
