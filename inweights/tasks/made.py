"""Tasks made from a seed in the made language: offline, in any size, with a challenge set that breaks a cue.

grammar/singles.py and grammar/pairs.py say, task by task, which cue holds in-domain and breaks outside. The default
patterns and label words are ones that the embedded model never saw in training.
"""

import random
from collections.abc import Sequence
from functools import cache, partial

from inweights.grammar import patterns, tasks
from inweights.types import Example, Prompt, Split, Task

WORDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "topic": (("animal", "tool", "food", "garment"), ("fauna", "gear", "meal", "garb")),
    "polarity": (("negative", "positive"), ("negative", "positive")),
    "tense": (("past", "present", "future"), ("past", "present", "future")),
    "voice": (("active", "passive"), ("active", "passive")),
    "negation": (("affirmative", "negated"), ("plus", "minus")),
    "acceptability": (("unacceptable", "acceptable"), ("wrong", "right")),
    "paraphrase": (("not_paraphrase", "paraphrase"), ("different", "alike")),
    "entailment": (("not_entailment", "entailment"), ("false", "true")),
    "same-subject": (("different", "same"), ("no", "yes")),
}
"""Label names and the words for them."""


def made_task(name: str, seed: int = 0, train: int = 1000, test: int = 500, ood: int = 500) -> Task:
    """The task of that kind with that many examples in each set; no example is in two sets or twice in one."""
    sizes = {"train": train, "test": test, "ood": ood}
    splits = {
        "train": Split(partial(_examples, name, seed, tuple(sizes.items()), "train"), "train"),
        "test": Split(partial(_examples, name, seed, tuple(sizes.items()), "test"), "in-domain"),
        "ood": Split(partial(_examples, name, seed, tuple(sizes.items()), "ood"), "out-of-domain"),
    }
    return Task(f"made-{name}", prompts(name), splits, "mcc" if name == "acceptability" else "accuracy")


def prompts(name: str) -> tuple[Prompt, ...]:
    """Every held-out pattern, in an order drawn once; `held-out-0` is the default."""
    labels, words = WORDS[name]
    body = "{sentence}" if name in tasks.SINGLE else "{first} {second}"
    found = patterns.patterns(name, "held-out")
    ordered = random.Random(f"patterns {name}").sample(found, len(found))
    made = []
    for number, pattern in enumerate(ordered):
        text = " ".join([*pattern.before, body, *pattern.after])
        made.append(Prompt(text, words, labels, separator="\n", name=f"held-out-{number}"))
    return tuple(made)


@cache
def _examples(name: str, seed: int, sizes: tuple[tuple[str, int], ...], chosen: str) -> Sequence[Example]:
    rng = random.Random(f"{name} {seed}")
    seen: set[tuple[tuple[str, ...], ...]] = set()
    sets: dict[str, list[Example]] = {}
    for set_name, size in sizes:
        made: list[Example] = []
        while len(made) < size:
            # Labels in turn: every set is balanced, and the majority baseline is one in the number of labels.
            label = len(made) % tasks.CLASSES[name]
            parts, _ = tasks.MAKERS[name](rng, label, set_name == "ood")
            key = tuple(map(tuple, parts))
            if key not in seen:
                seen.add(key)
                made.append(Example(_fields(parts), label))
        sets[set_name] = rng.sample(made, len(made))
    return sets[chosen]


def _fields(parts: Sequence[Sequence[str]]) -> dict[str, str]:
    names = ("sentence",) if len(parts) == 1 else ("first", "second")
    return {name: " ".join(words) for name, words in zip(names, parts, strict=True)}


MADE: dict[str, Task] = {f"made-{name}": made_task(name) for name in tasks.CLASSES}
