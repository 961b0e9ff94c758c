"""Made tasks are what they say: balanced, repeatable, and challenged by a set that breaks the cue."""

from collections import Counter

import pytest

from inweights.tasks import digest, task_names
from inweights.tasks.made import made_task

MADE = [name for name in task_names() if name.startswith("made-")]


@pytest.mark.parametrize("name", MADE)
def test_made_sets_are_balanced_and_share_nothing(name):
    made = made_task(name.removeprefix("made-"), seed=3, train=60, test=60, ood=60)
    sets = {set_name: split.load() for set_name, split in made.splits.items()}
    texts = [tuple(example.fields.values()) for examples in sets.values() for example in examples]
    assert len(set(texts)) == len(texts)
    for examples in sets.values():
        counts = Counter(example.label for example in examples)
        assert max(counts.values()) - min(counts.values()) <= 1
    again = made_task(name.removeprefix("made-"), seed=3, train=60, test=60, ood=60).splits["ood"].load()
    assert digest(again) == digest(sets["ood"])


def test_word_overlap_tells_paraphrases_apart_in_domain_and_misleads_outside():
    def right(split: str) -> float:
        examples = made_task("paraphrase").splits[split].load()
        content = [{w for w in e.fields["first"].split() if len(w) > 3} for e in examples]
        other = [set(e.fields["second"].split()) for e in examples]
        people = [sum(w in o for w in c) / len(c) for c, o in zip(content, other, strict=True)]
        bar = sorted(people)[len(people) // 2]
        return sum((p >= bar) == (e.label == 1) for p, e in zip(people, examples, strict=True)) / len(examples)

    assert right("test") > right("ood") + 0.1
