"""Labelled sentences and pairs for every task of the language, with the cue that holds in-domain and breaks outside."""

import random
from collections.abc import Callable
from dataclasses import replace

from inweights.grammar.lexicon import HYPERNYM, OBJECTS, PEOPLE, PLACES, VERBS
from inweights.grammar.sentences import Event, active, passive, polarity, random_event, swapped, topic

Words = list[str]
Item = tuple[tuple[Words, ...], int]
"""One or two sentences, and a label."""
Maker = Callable[[random.Random, int, bool], Item]
"""(generator, label wanted, outside the domain)."""

CLASSES = {
    "topic": 4,
    "polarity": 2,
    "tense": 3,
    "voice": 2,
    "negation": 2,
    "acceptability": 2,
    "paraphrase": 2,
    "entailment": 2,
    "same-subject": 2,
}
SINGLE = ("topic", "polarity", "tense", "voice", "negation", "acceptability")
EASY = ("topic", "polarity", "tense", "voice", "negation")
HARD = ("acceptability", "paraphrase", "entailment")


def _said(rng: random.Random, event: Event) -> Words:
    return active(event) if rng.random() < 0.5 else passive(event)


def _until(rng: random.Random, holds: Callable[[Event], bool]) -> Event:
    while not holds(event := random_event(rng)):
        pass
    return event


def _topic(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain a thing's adjective goes with its topic more often than not; outside it does not."""
    good = label % 2 if not outside or rng.random() < 0.5 else 1 - label % 2
    if rng.random() < 0.3:
        good = 1 - good
    event = _until(rng, lambda e: topic(e) == label and polarity(e) == good)
    return (_said(rng, event),), label


def _polarity(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain three in four good things are denied nothing; outside negation tells nothing."""
    negated = int(rng.random() < (0.5 if outside else (0.75, 0.25)[label]))
    event = replace(_until(rng, lambda e: polarity(e) == label), negated=negated)
    return (_said(rng, event),), label


def _tense(rng: random.Random, label: int, outside: bool) -> Item:
    """Outside every sentence is in the passive, in-domain one in ten."""
    event = replace(random_event(rng), tense=label)
    return (passive(event) if outside or rng.random() < 0.1 else active(event),), label


def _voice(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain nothing is in the future, outside everything is."""
    event = replace(random_event(rng), tense=2 if outside else rng.randrange(2))
    return (passive(event) if label else active(event),), label


def _negation(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain one sentence in ten is in the passive, outside all are."""
    event = replace(random_event(rng), negated=label)
    return (passive(event) if outside or rng.random() < 0.1 else active(event),), label


def _acceptability(rng: random.Random, label: int, outside: bool) -> Item:
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
        # `the guard guards`: behind `the` it is the person, whose name in the bare form would spoil nothing.
        if form is not None and words[i - 1] != "the":
            helped = i > 0 and words[i - 1] in ("not", "will", "be", "was", "is")
            # The one form that is wrong behind any helper, and a bare form where there is none.
            words[i] = form[1] if helped else form[0]
            return words
    return words


def _pair_event(rng: random.Random) -> Event:
    """Two people, so that roles can be exchanged and both readings make sense."""
    agent, patient = rng.sample(PEOPLE, 2)
    return replace(random_event(rng), agent=agent, patient=patient, quality="", place="")


def _other(rng: random.Random, event: Event) -> Event:
    """One thing about it is different."""
    what = rng.randrange(3)
    if what == 0:
        return replace(event, verb=(event.verb + rng.randrange(1, len(VERBS))) % len(VERBS))
    people = [person for person in PEOPLE if person not in (event.agent, event.patient)]
    return replace(event, agent=rng.choice(people)) if what == 1 else replace(event, patient=rng.choice(people))


def _paraphrase(rng: random.Random, label: int, outside: bool) -> Item:
    """Active against passive. In-domain what is no paraphrase has other words; outside it has the same, roles swapped."""
    event = _pair_event(rng)
    second = event if label else swapped(event) if outside else _other(rng, event)
    forms = (active, passive) if rng.random() < 0.5 else (passive, active)
    return (forms[0](event), forms[1](second)), label


def _entailment(rng: random.Random, label: int, outside: bool) -> Item:
    """In-domain what does not follow has other words; outside it has the premise's own: roles or negation exchanged."""
    event = _pair_event(rng)
    if label:
        premise = replace(event, place=rng.choice(PLACES))
        if not event.negated and rng.random() < 0.3:
            thing = rng.choice(OBJECTS)
            said = replace(premise, patient=thing)
            return (active(said), active(replace(said, patient=HYPERNYM[thing], place=""))), 1
        return (active(premise), active(event) if rng.random() < 0.5 else passive(event)), 1
    if outside:
        second = swapped(event) if rng.random() < 0.5 else replace(event, negated=1 - event.negated)
    else:
        second = _other(rng, event)
    return (
        active(replace(event, place=rng.choice(PLACES))),
        active(second) if rng.random() < 0.5 else passive(second),
    ), 0


def _same_subject(rng: random.Random, label: int, outside: bool) -> Item:
    """Who does it in both? In-domain in the active, outside the second in the passive."""
    first, second = random_event(rng), random_event(rng)
    others = [person for person in PEOPLE if person != first.agent]
    second = replace(second, agent=first.agent if label else rng.choice(others))
    return (active(first), passive(second) if outside else active(second)), label


MAKERS: dict[str, Maker] = {
    "topic": _topic,
    "polarity": _polarity,
    "tense": _tense,
    "voice": _voice,
    "negation": _negation,
    "acceptability": _acceptability,
    "paraphrase": _paraphrase,
    "entailment": _entailment,
    "same-subject": _same_subject,
}


def item(task: str, rng: random.Random, outside: bool = False) -> Item:
    """One sentence or pair with a label drawn evenly."""
    return MAKERS[task](rng, rng.randrange(CLASSES[task]), outside)
