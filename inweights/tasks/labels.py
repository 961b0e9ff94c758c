"""The labels of a user's file: their order, and their words."""

from collections.abc import Sequence
from pathlib import Path

from inweights.tasks.examples import spelled
from inweights.tasks.rows import Row
from inweights.types import UserError


def label_names(path: Path, rows: Sequence[tuple[int, Row]], column: str) -> tuple[str, ...]:
    """The labels of a file: numbers in ascending order, then others alphabetically. Raises UserError for fewer than two."""
    names = sorted({spelled(row.get(column)) for _, row in rows} - {""}, key=_rank)
    if len(names) < 2:
        raise UserError(
            f"{path} has one class only ({', '.join(names) or 'none'}) in {column!r}: expected at least two; "
            "is it the label column? Another is named with --columns label=COLUMN"
        )
    return tuple(names)


def labels_and_words(
    names: Sequence[str], labels: Sequence[str] | None, words: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The labels in order, and a word for each.

    `names`: the file's labels. `labels`, each as `NAME=WORD`, or as the file's names in the order to use, or as words
    for them in the file's order. `words` are in the resulting order. Without either, a label's word is its name
    with spaces for underscores. Raises UserError where the counts differ, or where only some are names of the file's.
    """
    order, chosen = tuple(names), tuple(name.replace("_", " ") for name in names)
    if labels is not None:
        order, chosen = _given([each.strip() for each in labels], names)
    if words is None:
        return order, chosen
    if len(words) != len(order):
        raise UserError(
            f"{len(words)} label words were given ({', '.join(words)}) and there are {len(order)} labels "
            f"({', '.join(order)}): give one for each"
        )
    return order, tuple(word.strip() for word in words)


def _given(labels: Sequence[str], names: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    if len(labels) != len(names):
        raise UserError(
            f"{len(labels)} labels were given ({', '.join(labels)}) and the file has {len(names)} "
            f"({', '.join(names)}): give one for each"
        )
    pairs = [label.rpartition("=") for label in labels]
    if {name for name, _, _ in pairs} == set(names):
        return tuple(name for name, _, _ in pairs), tuple(word.strip() for _, _, word in pairs)
    # `Yes,No` for a file with `no` and `yes` names its labels: read as words in the file's order it would swap them.
    known = {_plain(name): name for name in names}
    found = [known[_plain(label)] for label in labels if _plain(label) in known]
    if not found:
        return tuple(names), tuple(labels)
    if set(found) != set(names):
        other = [label for label in labels if _plain(label) not in known]
        raise UserError(
            f"{', '.join(other or labels)} is not a label of the file, which has {', '.join(names)}: give all its names in "
            "the order you want, or a word for each as NAME=WORD"
        )
    same = set(labels) == set(names)
    return tuple(found), tuple(label.replace("_", " ") if same else label for label in labels)


def _plain(label: str) -> str:
    return label.lower().replace("_", " ").replace("-", " ")


def _rank(name: str) -> tuple[bool, float, str]:
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name
