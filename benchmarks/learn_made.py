"""Documents of made facts that the embedded model reads: who did what to which thing, and all that can be asked of it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question
from inweights.grammar.lexicon import OBJECTS, PEOPLE, VERBS
from inweights.grammar.sentences import Event
from tools.embedded import documents

PIECE = 20
"""Facts in front of the teacher at once: 121 tokens."""
ABSENT = 40
"""Questions about what no document says."""
OTHERS = 5
"""New contexts, and as many conflicting ones."""


@dataclass(frozen=True)
class Read:
    """A context that stands in the prompt, and questions about it."""

    text: str
    questions: tuple[Question, ...]


@dataclass(frozen=True)
class Document:
    facts: tuple[Event, ...]
    chunks: tuple[Chunk, ...]
    tests: tuple[Question, ...]
    """Every fact as worded and paraphrased, and things that nobody did."""
    new: tuple[Read, ...]
    """Documents that are not learnt."""
    conflicting: tuple[Read, ...]
    """The document's own pieces, with somebody else behind every deed."""


def made(count: int, seed: int) -> Document:
    rng = random.Random(f"document {count} {seed}")
    facts = documents.facts(rng, count)
    pieces = [facts[start : start + PIECE] for start in range(0, count, PIECE)]
    said = {(each.verb, each.patient) for each in facts}
    absent = rng.sample([deed for deed in deeds() if deed not in said], ABSENT)
    tests = [question for number, piece in enumerate(pieces) for question in _about(piece, number)]
    tests += [Question(worded(*deed), 0, "nobody", "absent") for deed in absent]
    new = [documents.facts(rng, PIECE) for _ in range(OTHERS)]
    changed = [[_by_another(rng, each) for each in pieces[number % len(pieces)]] for number in range(OTHERS)]
    return Document(
        tuple(facts),
        tuple(_chunk(_written(piece), number) for number, piece in enumerate(pieces)),
        tuple(tests),
        tuple(map(_read, new)),
        tuple(map(_read, changed)),
    )


def deeds() -> list[tuple[int, str]]:
    """Every verb with every thing: all that could be asked."""
    return [(verb, thing) for verb in range(len(VERBS)) for thing in OBJECTS]


def every_question() -> list[Question]:
    """In both wordings, without answers and without the piece: as a user's own queries would be."""
    return [Question(wording(*deed)) for deed in deeds() for wording in WORDINGS.values()]


def worded(verb: int, thing: str) -> str:
    return f"who {VERBS[verb][2]} the {thing} ?"


def paraphrased(verb: int, thing: str) -> str:
    return f"by whom was the {thing} {VERBS[verb][2]} ?"


WORDINGS = {"worded": worded, "paraphrased": paraphrased}


def _about(facts: Sequence[Event], chunk: int) -> list[Question]:
    return [Question(say(e.verb, e.patient), chunk, e.agent, kind) for e in facts for kind, say in WORDINGS.items()]


def _by_another(rng: random.Random, event: Event) -> Event:
    return replace(event, agent=rng.choice([person for person in PEOPLE if person != event.agent]))


def _read(facts: Sequence[Event]) -> Read:
    return Read(_written(facts), tuple(_about(facts, 0)))


def _written(facts: Sequence[Event]) -> str:
    return " ".join(documents.document(list(facts)))


def _chunk(text: str, number: int) -> Chunk:
    return Chunk(text, text, "made", f"part {number + 1}")
