"""Training text: sequences of ids with the places whose token is to be predicted.

Seven kinds. `words`: single words and a label for their class, the cheapest form of learning in context. `gaps`: the
same with other words between word and label, the bridge to sentences. `recall`: any word stands for any other.
`canonical`: sentences with one fixed label per class, which forms the features. `task`: sentences or pairs with labels
drawn anew for each sequence. `document`: facts and questions. `text`: plain sentences.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from inweights.grammar import documents, patterns, tasks
from inweights.grammar.lexicon import (
    BAD,
    CANONICAL,
    CATEGORIES,
    GOOD,
    LABELS,
    PEOPLE,
    PLACES,
    PLAIN,
    VERBS,
    vocabulary,
)
from inweights.grammar.sentences import active, passive, random_event
from inweights.models.embedded.tokens import BOS, IDS, LINE, PAD

GROUPS: tuple[tuple[tuple[str, ...], ...], ...] = (
    tuple(CATEGORIES.values()),
    (GOOD, BAD),
    tuple(tuple(verb[form] for verb in VERBS) for form in range(3)),
    (PEOPLE, PLACES, GOOD),
)
"""Word classes that can be told apart by the words alone."""

FILL = ("the", "near", "was", "by", ".", "did", "will", "not", "?", *PLACES, *PLAIN, *PEOPLE)
"""What stands about the word that counts, where there is no sentence yet."""

ITEMS = 6000
"""Sentences or pairs made beforehand for each task; made one by one they would cost more than the training step."""

Row = tuple[list[int], list[int]]
"""Ids, and the places of those that are to be predicted."""


@dataclass(frozen=True)
class Level:
    """How hard the sequences are; it rises as the loss falls."""

    labels: int = 4
    """Label words in use."""
    words: int = 1
    """Words of each class."""
    form: int = 0
    """0: word label word label; 1: a line break behind every label; 2: a mark in front of it too."""
    shots: int = 16
    gap: int = 0
    """At most so many other words between the word and the mark in front of its label."""
    variety: float = 0.0
    """The chance that any one of those words differs from one demonstration to the next."""


def words(rng: random.Random, level: Level) -> Row:
    group = rng.choice(GROUPS)
    classes = rng.sample(group, rng.randint(2, len(group)))
    labels = rng.sample(LABELS[: level.labels], len(classes))
    ids, places = [BOS], []
    mark = IDS[rng.choice((":", "=", "->"))]
    for _ in range(level.shots):
        which = rng.randrange(len(classes))
        ids.append(IDS[rng.choice(classes[which][: level.words])])
        ids += [mark] * (level.form >= 2)
        places.append(len(ids))
        ids += [IDS[labels[which]], *[LINE] * (level.form >= 1)]
    return ids, places


def gaps(rng: random.Random, level: Level) -> Row:
    """A word of one of two classes among other words, and a label for its class.

    Sentences straight after `words` stayed at chance for 11M tokens: what is looked up is the word right in front of
    the mark, and that is the full stop of a sentence. Moving the word away step by step left chance within 1.2M.
    """
    classes = rng.sample(rng.choice(GROUPS), 2)
    labels = rng.sample(LABELS[: level.labels], 2)
    place, gap = rng.randint(0, 2), rng.randint(0, level.gap)
    frame = [rng.choice(FILL) for _ in range(place + gap)]
    ids, places = [BOS], []
    mark = IDS[rng.choice((":", "=", "->"))]
    for _ in range(level.shots):
        said = [rng.choice(FILL) if rng.random() < level.variety else word for word in frame]
        which = rng.randrange(2)
        said.insert(place, rng.choice(classes[which]))
        ids += [*(IDS[word] for word in said), mark]
        places.append(len(ids))
        ids += [IDS[labels[which]], LINE]
    return ids, places


def recall(rng: random.Random, level: Level) -> Row:
    """A few words each stand for another, whichever; each is asked several times."""
    pairs = rng.randint(3, 8)
    chosen = rng.sample(vocabulary(), 2 * pairs)
    ids, places = [BOS], []
    mark = IDS[rng.choice((":", "=", "->"))]
    for turn in range(3):
        for pair in rng.sample(range(pairs), pairs):
            ids.append(IDS[chosen[pair]])
            ids += [mark] * (level.form >= 2)
            if turn:
                places.append(len(ids))
            ids += [IDS[chosen[pairs + pair]], *[LINE] * (level.form >= 1)]
    return ids, places


@cache
def _items(task: str) -> list[tuple[list[int], int]]:
    rng = random.Random(f"items {task}")
    # In and out of domain alike: what a task leaves open is for fine-tuning to get wrong, not for this model.
    made = (tasks.item(task, rng, rng.random() < 0.5) for _ in range(ITEMS))
    return [([IDS[word] for sentence in parts for word in sentence], label) for parts, label in made]


@cache
def _patterns(task: str) -> list[tuple[list[int], list[int]]]:
    found = patterns.patterns(task, "training")
    return [([IDS[w] for w in p.before], [IDS[w] for w in p.behind]) for p in found]


def _labelled(rng: random.Random, task: str, labels: Sequence[str], shots: int) -> Row:
    before, behind = rng.choice(_patterns(task))
    ids, places = [BOS], []
    for item, label in rng.choices(_items(task), k=shots):
        ids += [*before, *item, *behind]
        places.append(len(ids))
        ids += [IDS[labels[label]], LINE]
    return ids, places


def canonical(rng: random.Random, task: str) -> Row:
    return _labelled(rng, task, CANONICAL[task], 6)


def episode(rng: random.Random, task: str, level: Level) -> Row:
    labels = rng.sample(LABELS[: level.labels], tasks.CLASSES[task])
    return _labelled(rng, task, labels, level.shots + 4)


def document(rng: random.Random, count: int) -> Row:
    events = documents.facts(rng, count)
    ids = [BOS, *(IDS[word] for word in documents.document(events)), LINE]
    places = []
    marks = [[IDS["answer"], IDS[":"]], [IDS[":"]], [IDS["->"]]]
    mark = rng.choice(marks)
    for _ in range(max(8, count)):
        asked = documents.question(rng, events, rng.choice(documents.KINDS))
        ids += [*(IDS[word] for word in asked.words), *mark]
        places.append(len(ids))
        ids += [IDS[asked.answer], LINE]
    return ids, places


def text(rng: random.Random, sentences: int = 12) -> Row:
    said = [(active if rng.random() < 0.5 else passive)(random_event(rng)) for _ in range(sentences)]
    ids = [BOS, *(IDS[word] for sentence in said for word in sentence)]
    return ids, list(range(1, len(ids)))


def batch(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Ids [rows, time] padded on the right, and where they are to be predicted."""
    longest = max(len(ids) for ids, _ in rows)
    ids_ = np.full((len(rows), longest), PAD)
    asked = np.zeros((len(rows), longest), dtype=bool)
    for row, (ids, places) in enumerate(rows):
        ids_[row, : len(ids)] = ids
        asked[row, places] = True
    return ids_, asked
