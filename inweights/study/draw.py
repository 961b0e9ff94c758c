"""The one sampler: what a run may learn from, the same for every method."""

import hashlib
import random
from collections.abc import Sequence
from dataclasses import replace

from inweights.types import Example, Seeds, Shots, Task, UserError

POOL = 512
"""Maximum number of unlabelled inputs in a draw."""


def draw(task: Task, shots: int, seed: int) -> Shots:
    """`shots` training examples in total, labels in turn, so that every prefix of a draw is balanced: 2 in 16 in 32.

    The unlabelled inputs are the task's own, or the rest of the training set with its labels off. They depend on the
    seed and not on the number of shots, but for what is drawn as a shot. Raises UserError where there are too few.
    """
    train = task.splits["train"].load()
    seeds = seeds_of(seed)
    order = _balanced(task, train, seeds.data)
    if shots > len(order):
        smallest = min(range(len(task.prompt.labels)), key=lambda label: sum(example.label == label for example in train))
        raise UserError(
            f"task {task.name} has {len(order)} balanced training examples, not {shots} "
            f"(fewest of {task.prompt.labels[smallest]}): ask for fewer shots"
        )
    indices = tuple(order[:shots])
    return Shots(tuple(train[i] for i in indices), indices, _unlabelled(task, train, set(indices), seeds.data), seeds)


def seeds_of(seed: int) -> Seeds:
    """A generator's seed for each source of chance, so that drawing more of one moves no other."""

    def one(source: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{source} {seed}".encode()).digest()[:6], "big")

    return Seeds(one("data"), one("order"), one("init"), one("dropout"))


def check_distinct(task: Task, shots: int, seeds: Sequence[int]) -> None:
    """Raises UserError where two seeds would draw the same examples: they would count as two and be one."""
    seen: dict[frozenset[int], int] = {}
    for seed in seeds:
        drawn = frozenset(draw(task, shots, seed).indices)
        if drawn in seen and shots:
            raise UserError(
                f"seeds {seen[drawn]} and {seed} draw the same {shots} examples of {task.name}: "
                "ask for fewer shots or seeds, or give more training examples"
            )
        seen[drawn] = seed


def _balanced(task: Task, train: Sequence[Example], seed: int) -> list[int]:
    """Indices, one of each label in turn, until a label runs out; which label begins a turn is drawn too."""
    rng = random.Random(seed)
    labels = range(len(task.prompt.labels))
    queues = [[i for i, example in enumerate(train) if example.label == label] for label in labels]
    empty = [task.prompt.labels[label] for label in labels if not queues[label]]
    if empty:
        raise UserError(f"the training examples of task {task.name} have none of {', '.join(empty)}")
    for queue in queues:
        rng.shuffle(queue)
    order = []
    for turn in range(min(map(len, queues))):
        order += [queues[label][turn] for label in rng.sample(labels, len(labels))]
    return order


def _unlabelled(task: Task, train: Sequence[Example], used: set[int], seed: int) -> tuple[Example, ...]:
    rng = random.Random(f"unlabelled {seed}")
    if "unlabelled" in task.splits:
        given = list(task.splits["unlabelled"].load())
        return tuple(replace(example, label=None) for example in rng.sample(given, min(POOL, len(given))))
    shuffled = rng.sample(range(len(train)), len(train))
    rest = [i for i in shuffled if i not in used][:POOL]
    return tuple(replace(train[i], label=None) for i in rest)
