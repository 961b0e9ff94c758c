"""The student's loss: KL(teacher || student) at every token of the answers, whatever stands in front of each side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.trees import Tree
from inweights.models.lm_head import Head
from inweights.models.shared_stems import joined, shared_stems
from inweights.scoring.chunked_losses import chunked_losses
from inweights.scoring.teacher_logprobs import Divergence, TeacherLogprobs, concatenated

AT_ONCE = 32
"""Positions whose logits are in memory at once; more are no faster on a CPU."""


@dataclass(frozen=True)
class Row:
    """A text, or several that begin alike, with what a teacher said at every position read."""

    tree: Tree
    logprobs: TeacherLogprobs
    firsts: tuple[int, ...] = ()
    """Which of the positions read come before the first token of an answer."""


def row_of(tree: Tree, logprobs: TeacherLogprobs, firsts: tuple[int, ...] = ()) -> Row:
    assert len(tree.positions_read) == len(logprobs), "one distribution for each position read"
    return Row(tree, logprobs, firsts)


def without_front(row: Row, front: int) -> Row:
    """The row as it stands after a prefix that begins the text itself: the first `front` tokens are the prefix's.

    What was read at one of those is let go.
    """
    kept = [number for number, place in enumerate(row.tree.positions_read) if place >= front]
    reads = tuple(row.tree.positions_read[number] - front for number in kept)
    logprobs = row.logprobs.at(kept)
    firsts = tuple(kept.index(number) for number in row.firsts if number in kept)
    return Row(replace(row.tree, stem=row.tree.stem[front:], reads=reads), logprobs, firsts)


class Student:
    """Its items are numbers of rows.

    The loss of a row is the sum over its positions, in nats, divided by the mean number of them: the mean over a
    batch is the mean over positions, however many each row happens to have.
    """

    def __init__(self, rows: Sequence[Row], divergence: Divergence = TeacherLogprobs.kl_to) -> None:
        self.rows, self.divergence = list(rows), divergence
        self.stems = shared_stems([row.tree for row in rows])
        self.lengths = [len(row.tree) - len(stem) for row, stem in zip(rows, self.stems, strict=True)]
        """Tokens of each row beside those of its stem, which a pass reads once."""
        self.mean = sum(len(row.logprobs) for row in rows) / max(1, len(rows))

    def trees(self, rows: Sequence[int]) -> tuple[list[Tree], list[int]]:
        """What a pass reads for some rows, and the rows in the order of its outputs."""
        trees, order = joined([self.rows[row].tree for row in rows], [self.stems[row] for row in rows])
        return trees, [rows[place] for place in order]

    def loss(
        self, rows: Sequence[int], outputs: Float[Tensor, "reads size"], head: Head | None = None
    ) -> Float[Tensor, " rows"]:
        """Of each row, from what was read for it, in the order of `rows`: logits, or last hidden states and the head."""
        targets = [self.rows[row].logprobs for row in rows]
        teacher = concatenated(targets, outputs.device)

        def losses(some: Tensor, at: slice) -> Tensor:
            return self.divergence(teacher.at(at), (head(some) if head else some).log_softmax(-1))

        each = chunked_losses(outputs, losses, AT_ONCE) if head else losses(outputs, slice(None))
        return torch.stack([part.sum() for part in each.split(list(map(len, targets)))]) / self.mean
