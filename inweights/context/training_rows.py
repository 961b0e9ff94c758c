"""The student's loss: KL(teacher || student) at every token of the answers, whatever stands in front of each side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor

from inweights.engine.trees import Tree
from inweights.scoring.teacher_logprobs import Divergence, TeacherLogprobs, divergences


@dataclass(frozen=True)
class Row:
    """A text, or several that begin alike, with what a teacher said at every position read."""

    tree: Tree
    told: TeacherLogprobs
    firsts: tuple[int, ...] = ()
    """Which of the positions read come before the first token of an answer."""


def row_of(tree: Tree, told: TeacherLogprobs, firsts: tuple[int, ...] = ()) -> Row:
    assert len(tree.positions_read) == len(told), "one distribution for each position read"
    return Row(tree, told, firsts)


def without_front(row: Row, front: int) -> Row:
    """The row as it stands behind a prefix that begins the text itself: the first `front` tokens are the prefix's.

    What was read at one of those is let go.
    """
    kept = [number for number, place in enumerate(row.tree.positions_read) if place >= front]
    reads = tuple(row.tree.positions_read[number] - front for number in kept)
    told = row.told.at(kept)
    firsts = tuple(kept.index(number) for number in row.firsts if number in kept)
    return Row(replace(row.tree, stem=row.tree.stem[front:], reads=reads), told, firsts)


class Student:
    """Its items are numbers of rows.

    The loss of a row is the sum over its positions, in nats, divided by the mean number of them: the mean over a
    batch is the mean over positions, however many each row happens to have.
    """

    def __init__(self, rows: Sequence[Row], divergence: Divergence = TeacherLogprobs.kl_to) -> None:
        self.rows, self.divergence = list(rows), divergence
        self.lengths = [len(row.tree) for row in rows]
        self.mean = sum(len(row.told) for row in rows) / max(1, len(rows))

    def asked(self, rows: Sequence[int]) -> list[Tree]:
        return [self.rows[row].tree for row in rows]

    def loss(self, rows: Sequence[int], logits: Float[Tensor, "reads vocabulary"]) -> Float[Tensor, " rows"]:
        targets = [self.rows[row].told for row in rows]
        return divergences(targets, logits, list(map(len, targets)), self.divergence) / self.mean
