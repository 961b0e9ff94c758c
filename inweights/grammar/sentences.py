"""Events and how they are said: every sentence is an event's people, things and circumstances in some form."""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from inweights.grammar.lexicon import BAD, CATEGORIES, GOOD, OBJECTS, PEOPLE, PLACES, VERBS

Words = list[str]
Item = tuple[tuple[Words, ...], int]
"""One or two sentences, and a label."""
Maker = Callable[[random.Random, int, bool], Item]
"""(generator, label wanted, outside the domain)."""

TENSES = ("past", "present", "future")


@dataclass(frozen=True)
class Event:
    """Somebody does something to something."""

    agent: str
    verb: int
    """Index in VERBS."""
    patient: str
    quality: str = ""
    """Adjective of the patient."""
    tense: int = 0
    """Index in TENSES."""
    negated: int = 0
    place: str = ""


def random_event(rng: random.Random, patients: tuple[str, ...] = OBJECTS) -> Event:
    """Every feature drawn on its own, so that none tells another."""
    good = rng.random() < 0.5
    return Event(
        rng.choice(PEOPLE),
        rng.randrange(len(VERBS)),
        rng.choice(patients),
        rng.choice(GOOD if good else BAD),
        rng.randrange(3),
        int(rng.random() < 0.5),
        rng.choice(PLACES) if rng.random() < 0.3 else "",
    )


def active(event: Event) -> list[str]:
    """`the cook did not carry the lovely lamp .`"""
    base, third, past = VERBS[event.verb]
    if event.negated:
        verb = [("did", "does", "will")[event.tense], "not", base]
    else:
        verb = [[past], [third], ["will", base]][event.tense]
    return ["the", event.agent, *verb, *_thing(event), *_place(event), "."]


def passive(event: Event) -> list[str]:
    """`the lovely lamp was not carried by the cook .`"""
    be = [["was"], ["is"], ["will"]][event.tense] + ["not"] * event.negated + ["be"] * (event.tense == 2)
    return [*_thing(event), *be, VERBS[event.verb][2], "by", "the", event.agent, *_place(event), "."]


def _thing(event: Event) -> list[str]:
    return ["the", *([event.quality] if event.quality else []), event.patient]


def _place(event: Event) -> list[str]:
    return ["near", "the", event.place] if event.place else []


def swapped(event: Event) -> Event:
    """The other way round: what was done to somebody is done by them."""
    return replace(event, agent=event.patient, patient=event.agent)


def topic(event: Event) -> int:
    return list(CATEGORIES).index(next(name for name, words in CATEGORIES.items() if event.patient in words))


def polarity(event: Event) -> int:
    """0: bad, 1: good."""
    return int(event.quality in GOOD)
