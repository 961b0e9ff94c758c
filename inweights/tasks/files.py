"""A user's own files as a task."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path

from inweights.tasks.columns import Columns, detect, text_columns
from inweights.tasks.detected import detected
from inweights.tasks.examples import examples
from inweights.tasks.labels import label_names, labels_and_words
from inweights.tasks.rows import read_rows
from inweights.types import Domain, Example, Prompt, Split, Task, UserError

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class OwnTask:
    """The task, and what was detected in its files, as lines to print."""

    task: Task
    detected: tuple[str, ...]


def from_files(
    train: Path,
    test: Path | None = None,
    ood: Mapping[str, Path] | None = None,
    unlabelled: Path | None = None,
    patterns: Sequence[str] = (),
    labels: Sequence[str] | None = None,
    verbalizer: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    answer_prefix: str = "",
    name: str | None = None,
) -> OwnTask:
    """A task out of files. `columns`: field, or `label`, -> column. `labels` and `verbalizer`: see labels.py. The first of
    the `patterns` is the task's default.

    The label column and the text columns are detected by name in each file (columns.py). All files are read now, so that
    a mistake in the last one is not found after an hour of training. Raises UserError with file, line and what to do.
    """
    sets = {"test": test} if test else {}
    if twice := set(ood or {}) & {"train", "test", "unlabelled"}:
        raise UserError(f"an out-of-domain set cannot be called {', '.join(twice)}: give it another name")
    if not sets and not ood:
        raise UserError("there is no evaluation set: give --test FILE, --ood NAME=FILE, or both")
    rows, given = read_rows(train), dict(columns or {})
    pattern_fields = tuple(dict.fromkeys(field for pattern in patterns for field in _fields_of(pattern)))
    found = detect(rows, train, pattern_fields, given)
    order, words = labels_and_words(label_names(train, rows, found.label), labels, verbalizer)
    texts = patterns or [_default_pattern(found)]
    prompts = tuple(named_by_text(Prompt(each, words, order, answer_prefix)) for each in texts)
    fields = pattern_fields or prompts[0].field_names

    def split(path: Path, domain: Domain) -> Split:
        return Split(partial(_labelled, path, fields, tuple(given.items()), order), domain)

    splits = {"train": split(train, "train")}
    splits |= {name: split(path, "in-domain") for name, path in sets.items()}
    splits |= {name: split(path, "out-of-domain") for name, path in (ood or {}).items()}
    if unlabelled is not None:
        splits["unlabelled"] = Split(partial(_unlabelled, unlabelled, fields, tuple(given.items())), "unlabelled")
    loaded = {name: split.load() for name, split in splits.items()}
    return OwnTask(Task(name or train.stem, prompts, splits), detected(train, found, prompts[0], loaded))


def _fields_of(pattern: str) -> tuple[str, ...]:
    fields = Prompt(pattern, ("0", "1"), ("0", "1")).field_names
    if not fields:
        raise UserError(f"the pattern {pattern!r} has no field of the example: name one in braces, such as {{text}}")
    return fields


def named_by_text(prompt: Prompt) -> Prompt:
    """With a name made of what it says, so that runs with another pattern or other label words are other runs."""
    text = repr((prompt.pattern, prompt.answer_prefix, prompt.separator, prompt.labels, prompt.verbalizer))
    return replace(prompt, name=f"custom-{hashlib.sha256(text.encode()).hexdigest()[:6]}")


def _default_pattern(columns: Columns) -> str:
    return "\n".join(f"{field}: {{{field}}}" for field in columns.fields) + "\nlabel:"


def _labelled(path: Path, fields: tuple[str, ...], given: Pairs, labels: tuple[str, ...]) -> Sequence[Example]:
    return _read(path, fields, given, labels, _stamp(path))


def _unlabelled(path: Path, fields: tuple[str, ...], given: Pairs) -> Sequence[Example]:
    return _read(path, fields, tuple(pair for pair in given if pair[0] != "label"), (), _stamp(path))


@cache
def _read(
    path: Path, fields: tuple[str, ...], given: Pairs, labels: tuple[str, ...], stamp: tuple[int, int]
) -> Sequence[Example]:
    """Read once for each state of the file: in a notebook it may be corrected and read again."""
    rows, mapping = read_rows(path), dict(given)
    if labels:
        columns = detect(rows, path, fields, mapping)
    else:
        columns = Columns(text_columns(rows, path, fields, mapping, ""), "")
    return tuple(examples(path, rows, columns, {label: index for index, label in enumerate(labels)}))


def _stamp(path: Path) -> tuple[int, int]:
    if not path.exists():
        raise UserError(f"there is no file {path}")
    return path.stat().st_mtime_ns, path.stat().st_size
