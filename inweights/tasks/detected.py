"""What was detected in a user's files, as lines to print before anything runs."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from inweights.tasks.columns import Columns
from inweights.tasks.rows import format_of
from inweights.types import Example, Prompt

MANY = 50
"""A column with more labels than this may not be the label."""


def detected(train: Path, columns: Columns, prompt: Prompt, sets: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
    """Format, columns, labels with their words and counts, warnings, and one example as the model reads it."""
    where = ", ".join(f"{column!r} as {{{field}}}" for field, column in columns.fields.items())
    words = ", ".join(f"{name} = {word!r}" for name, word in zip(prompt.labels, prompt.verbalizer, strict=True))
    return (
        f"{train}: {format_of(train)}; label column {columns.label!r}; text from {where}",
        f"labels: {words}",
        *(f"{name}: {_counts(found, prompt)}" for name, found in sets.items()),
        *(f"warning: {line}" for line in _warnings(prompt, sets)),
        "one example, as the model reads it:",
        prompt.answered(sets["train"][0]),
    )


def _counts(found: Sequence[Example], prompt: Prompt) -> str:
    counts = Counter(example.label for example in found)
    spread = ", ".join(f"{name} {counts[index]:,}" for index, name in enumerate(prompt.labels))
    return f"{len(found):,} examples ({'without labels' if None in counts else spread})"


def _warnings(prompt: Prompt, sets: Mapping[str, Sequence[Example]]) -> list[str]:
    found = []
    seen = {tuple(example.fields.items()) for example in sets["train"]}
    for name, examples in sets.items():
        again = sum(tuple(example.fields.items()) in seen for example in examples)
        if again and name not in ("train", "unlabelled"):
            found.append(f"{again:,} of the {len(examples):,} examples of {name} are in the training file, too")
    if len(prompt.labels) > MANY:
        found.append(f"{len(prompt.labels):,} labels: if another column has the label, give --columns label=COLUMN")
    if all(word.lstrip("-").isdigit() for word in prompt.verbalizer):
        found.append("the label words are numbers; words mean more to a model: --labels no,yes")
    return found
