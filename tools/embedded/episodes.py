"""Training text: sequences of ids with the places whose token is to be predicted.

Six kinds. `words`: single words and a label for their class, the cheapest form of learning in context. `recall`: any
word stands for any other. `canonical`: sentences with one fixed label per class, which forms the features. `task`:
sentences or pairs with labels drawn anew for each sequence. `document`: facts and questions. `text`: plain sentences.
"""

import random
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np

from inweights.grammar import patterns, tasks
from inweights.grammar.lexicon import BAD, CATEGORIES, GOOD, PEOPLE, PLACES, VERBS
from inweights.grammar.sentences import active, passive, random_event
from tools.embedded import documents
from tools.embedded.checkpoints import Progress
from tools.embedded.language import CANONICAL, LABELS, labelled_item, vocabulary
from tools.embedded.tokens import BOS, IDS, LINE, PAD

GROUPS: tuple[tuple[tuple[str, ...], ...], ...] = (
    tuple(CATEGORIES.values()),
    (GOOD, BAD),
    tuple(tuple(verb[form] for verb in VERBS) for form in range(3)),
    (PEOPLE, PLACES, GOOD),
)
"""Word classes that can be told apart by the words alone."""
MARKS = (":", "=", "->")

ITEMS = 6000
"""Sentences or pairs made beforehand for each task; made one by one they would cost more than the training step."""

TOKENS = 1000
"""In a batch, about."""

Row = tuple[list[int], list[int]]
"""Ids, and the places of those that are to be predicted."""


def words(rng: random.Random, shots: int = 12) -> Row:
    group = rng.choice(GROUPS)
    classes = rng.sample(group, rng.randint(2, len(group)))
    labels = rng.sample(LABELS, len(classes))
    ids, places, mark = [BOS], [], IDS[rng.choice(MARKS)]
    for _ in range(shots):
        which = rng.randrange(len(classes))
        ids += [IDS[rng.choice(classes[which])], mark]
        places.append(len(ids))
        ids += [IDS[labels[which]], LINE]
    return ids, places


def recall(rng: random.Random) -> Row:
    """A few words each stand for another, whichever; each is asked several times."""
    pairs = rng.randint(3, 8)
    chosen = rng.sample(vocabulary(), 2 * pairs)
    ids, places, mark = [BOS], [], IDS[rng.choice(MARKS)]
    for turn in range(3):
        for pair in rng.sample(range(pairs), pairs):
            ids += [IDS[chosen[pair]], mark]
            if turn:
                places.append(len(ids))
            ids += [IDS[chosen[pairs + pair]], LINE]
    return ids, places


@cache
def _items(task: str) -> list[tuple[list[int], int]]:
    rng = random.Random(f"items {task}")
    # In and out of domain alike: what a task leaves open is for fine-tuning to get wrong, not for this model.
    made = (labelled_item(task, rng, rng.random() < 0.5) for _ in range(ITEMS))
    return [([IDS[word] for sentence in parts for word in sentence], label) for parts, label in made]


@cache
def _patterns(task: str) -> list[tuple[list[int], list[int]]]:
    found = patterns.patterns(task, "training")
    return [([IDS[w] for w in p.before], [IDS[w] for w in p.after]) for p in found]


def _labelled(rng: random.Random, task: str, labels: Sequence[str], shots: int) -> Row:
    before, behind = rng.choice(_patterns(task))
    ids, places = [BOS], []
    for item, label in rng.choices(_items(task), k=shots):
        ids += [*before, *item, *behind]
        places.append(len(ids))
        ids += [IDS[labels[label]], LINE]
    return ids, places


def canonical(rng: random.Random, task: str, shots: int = 6) -> Row:
    return _labelled(rng, task, CANONICAL[task], shots)


def episode(rng: random.Random, task: str, shots: int) -> Row:
    return _labelled(rng, task, rng.sample(LABELS, tasks.CLASSES[task]), shots)


def document(rng: random.Random, count: int, absent: bool = True) -> Row:
    """`absent`: some questions are about what it does not say. From the start, `nobody` is all that is learnt."""
    events = documents.facts(rng, count)
    ids = [BOS, *(IDS[word] for word in documents.document(events)), LINE]
    places = []
    marks = [[IDS["answer"], IDS[":"]], [IDS[":"]], [IDS["->"]]]
    mark = rng.choice(marks)
    kinds = documents.KINDS if absent else ("worded", "paraphrased")
    for _ in range(max(8, count)):
        asked = documents.question(rng, events, rng.choice(kinds))
        ids += [*(IDS[word] for word in asked.words), *mark]
        places.append(len(ids))
        ids += [IDS[asked.answer], LINE]
    return ids, places


def text(rng: random.Random, sentences: int = 12) -> Row:
    said = [(active if rng.random() < 0.5 else passive)(random_event(rng)) for _ in range(sentences)]
    ids = [BOS, *(IDS[word] for sentence in said for word in sentence)]
    return ids, list(range(1, len(ids)))


def rows_of(kind: str, progress: Progress, rng: random.Random) -> list[Row]:
    """Sequences of that kind, about TOKENS in all."""
    what, _, task = kind.partition(" ")
    shots = 17 if rng.random() < 0.85 else 66  # the last has as many demonstrations as models are judged by
    makers: dict[str, Callable[[], Row]] = {
        "words": lambda: words(rng),
        "recall": lambda: recall(rng),
        "text": lambda: text(rng),
        "document": lambda: document(rng, rng.randint(1 + progress.facts // 2, progress.facts), progress.facts > 2),
        "canonical": lambda: canonical(rng, task, progress.shots.get(task, 1)),
        "task": lambda: episode(rng, task, shots),
    }
    rows = [makers[what]()]
    while len(rows) * len(rows[0][0]) < TOKENS:
        rows.append(makers[what]())
    return rows


def batch(rows: Sequence[Row]) -> tuple[np.ndarray, np.ndarray]:
    """Ids [rows, time] padded on the right, and where they are to be predicted."""
    longest = max(len(ids) for ids, _ in rows)
    ids_ = np.full((len(rows), longest), PAD)
    asked = np.zeros((len(rows), longest), dtype=bool)
    for row, (ids, places) in enumerate(rows):
        ids_[row, : len(ids)] = ids
        asked[row, places] = True
    return ids_, asked
