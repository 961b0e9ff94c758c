"""Pairs of sentences with a label, and the cue that holds in-domain and breaks outside it."""

import random
from dataclasses import replace

from inweights.grammar.lexicon import HYPERNYM, OBJECTS, PEOPLE, PLACES, VERBS
from inweights.grammar.sentences import Event, Item, active, passive, random_event, swapped


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


def paraphrase(rng: random.Random, label: int, outside: bool) -> Item:
    """Active against passive. In-domain what is no paraphrase has other words; outside it has the same, roles swapped."""
    event = _pair_event(rng)
    second = event if label else swapped(event) if outside else _other(rng, event)
    forms = (active, passive) if rng.random() < 0.5 else (passive, active)
    return (forms[0](event), forms[1](second)), label


def entailment(rng: random.Random, label: int, outside: bool) -> Item:
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


def same_subject(rng: random.Random, label: int, outside: bool) -> Item:
    """Who does it in both? In-domain in the active, outside the second in the passive."""
    first, second = random_event(rng), random_event(rng)
    others = [person for person in PEOPLE if person != first.agent]
    second = replace(second, agent=first.agent if label else rng.choice(others))
    return (active(first), passive(second) if outside else active(second)), label
