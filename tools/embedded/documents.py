"""Short documents of facts, and questions about them: as worded, in the other voice, about what is not there."""

import random
from dataclasses import dataclass
from typing import Literal

from inweights.grammar.lexicon import OBJECTS, PEOPLE, VERBS
from inweights.grammar.sentences import Event, active

Kind = Literal["worded", "paraphrased", "absent"]
KINDS: tuple[Kind, ...] = ("worded", "paraphrased", "absent")


@dataclass(frozen=True)
class Question:
    words: tuple[str, ...]
    answer: str
    kind: Kind


def facts(rng: random.Random, count: int) -> list[Event]:
    """Who did what to what, no verb and thing twice together."""
    deeds = rng.sample([(verb, thing) for verb in range(len(VERBS)) for thing in OBJECTS], count)
    return [Event(rng.choice(PEOPLE), verb, thing) for verb, thing in deeds]


def document(events: list[Event]) -> list[str]:
    """One sentence a fact."""
    return [word for event in events for word in active(event)]


def question(rng: random.Random, events: list[Event], kind: Kind) -> Question:
    """`who carried the lamp ?`, `by whom was the lamp carried ?`; `nobody` did what the document does not say."""
    if kind == "absent":
        said = {(event.verb, event.patient) for event in events}
        while (deed := (rng.randrange(len(VERBS)), rng.choice(events).patient)) in said:
            pass
        event = Event("nobody", *deed)
    else:
        event = rng.choice(events)
    past = VERBS[event.verb][2]
    if kind == "paraphrased" or (kind == "absent" and rng.random() < 0.5):
        words: tuple[str, ...] = ("by", "whom", "was", "the", event.patient, past, "?")
    else:
        words = ("who", past, "the", event.patient, "?")
    return Question(words, event.agent, kind)
