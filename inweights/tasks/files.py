"""A user's own files as a task."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from inweights.tasks.columns import Columns, detect, examples, label_names, labelled
from inweights.tasks.rows import FORMATS, read_rows
from inweights.types import Example, Prompt, Split, Task, UserError


@dataclass(frozen=True)
class OwnTask:
    """The task, and what was detected, as lines to print."""

    task: Task
    detected: tuple[str, ...]


def from_files(
    train: Path,
    test: Path | None = None,
    ood: Mapping[str, Path] | None = None,
    unlabelled: Path | None = None,
    pattern: str | None = None,
    labels: Sequence[str] | None = None,
    verbalizer: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    answer_prefix: str = "",
    name: str | None = None,
) -> OwnTask:
    """A task out of files. `labels`: the labels' names in order, or, where they name none of the file's labels, the
    words for them in the order of the file's labels. Raises UserError that says file, line and what to do.
    """
    rows = read_rows(train)
    asked = Prompt(pattern, ("0", "1"), ("0", "1")).field_names if pattern else ()
    found = detect(rows, train, asked, columns or {})
    names = label_names(train, rows, found.label)
    order, words = _labels_and_words(names, labels, verbalizer)
    prompt = Prompt(pattern or _default_pattern(found), words, order, answer_prefix)
    index = {label: order.index(label) for label in order}
    splits = {"train": Split(partial(_load, train, found, index), "train")}
    sets = {"test": test, **(ood or {})}
    for set_name, path in sets.items():
        if path is not None:
            domain = "in-domain" if set_name == "test" else "out-of-domain"
            splits[set_name] = Split(partial(_load, path, found, index), domain)  # type: ignore[arg-type]
    if len(splits) < 2:
        raise UserError("there is nothing to measure on: give --test FILE, --ood NAME=FILE, or both")
    if unlabelled is not None:
        splits["unlabelled"] = Split(partial(_bare, unlabelled, found), "unlabelled")
    task = Task(name or train.stem, (prompt,), splits)
    # Every file is read now, so that a mistake in the last one is not found after an hour of training.
    loaded = {set_name: list(split.load()) for set_name, split in splits.items()}
    return OwnTask(task, _summary(train, found, prompt, loaded))


def _labels_and_words(
    names: tuple[str, ...], labels: Sequence[str] | None, verbalizer: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    order, words = names, tuple(name.replace("_", " ") for name in names)
    if labels is not None:
        if len(labels) != len(names):
            raise UserError(
                f"{len(labels)} labels were given ({', '.join(labels)}) and the file has {len(names)} "
                f"({', '.join(names)}): give one for each"
            )
        if set(labels) == set(names):
            order, words = tuple(labels), tuple(label.replace("_", " ") for label in labels)
        else:
            words = tuple(labels)
    return order, tuple(verbalizer) if verbalizer is not None else words


def _default_pattern(columns: Columns) -> str:
    return "\n".join(f"{field}: {{{field}}}" for field in columns.fields) + "\nlabel:"


@cache
def _cached(
    path: Path, fields: tuple[tuple[str, str], ...], label: str, index: tuple[tuple[str, int], ...]
) -> list[Example]:
    return labelled(path, Columns(dict(fields), label), dict(index))


def _load(path: Path, columns: Columns, index: Mapping[str, int]) -> Sequence[Example]:
    return _cached(path, tuple(columns.fields.items()), columns.label, tuple(index.items()))


def _bare(path: Path, columns: Columns) -> Sequence[Example]:
    bare = replace(columns, label="")
    return examples(path, read_rows(path), bare, {})


def _summary(train: Path, columns: Columns, prompt: Prompt, loaded: Mapping[str, Sequence[Example]]) -> tuple[str, ...]:
    first = loaded["train"][0]
    counts = {name: Counter(example.label for example in found) for name, found in loaded.items()}
    lines = [
        f"{FORMATS[train.suffix]}; label column {columns.label!r}; text from "
        + ", ".join(f"{column!r} as {{{field}}}" for field, column in columns.fields.items()),
        "labels: " + ", ".join(f"{n} = {w!r}" for n, w in zip(prompt.labels, prompt.verbalizer, strict=True)),
    ]
    for name, found in loaded.items():
        spread = ", ".join(f"{label} {counts[name][i]:,}" for i, label in enumerate(prompt.labels))
        lines.append(f"{name}: {len(found):,} examples ({spread if name != 'unlabelled' else 'without labels'})")
    seen = {tuple(example.fields.items()) for example in loaded["train"]}
    for name, found in loaded.items():
        again = sum(tuple(example.fields.items()) in seen for example in found)
        if again and name not in ("train", "unlabelled"):
            lines.append(f"warning: {again:,} of the {len(found):,} examples of {name} stand in the training file too")
    return (*lines, "one example, as the model reads it:", prompt.answered(first))
