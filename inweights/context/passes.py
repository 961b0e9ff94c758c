"""The passes that a training batch is computed in: as few as memory allows, and nothing twice that rows share."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from inweights.context.memory import MAXIMUM, MINIMUM, kept_bytes, reads_at_once, training_budget
from inweights.context.training_rows import AT_ONCE, Student
from inweights.models.base import Backbone
from inweights.models.lm_head import head_of
from inweights.models.training_forward import TrainingForward

SAMPLE_TOKENS, LONG_TOKENS = 256, 512
TABLES = 6
"""Of logits, that a loss and its gradient make."""


class Passes:
    """Rows that begin alike are the branches of one tree; a batch that memory has no room for goes in parts.

    With checkpointing a pass takes half as long again, so that only a row too long for one without it is read so. Where
    the LM head can be run apart, logits limit no pass: they are in memory for a few positions at a time.
    """

    def __init__(
        self, model: Backbone, parameters: Mapping[str, nn.Parameter], student: Student, budget: float | None = None
    ) -> None:
        self.student, self.parameters, self.head = student, parameters, head_of(model)
        self.plain, self.checkpointed = TrainingForward([model]), TrainingForward([model], checkpointing=True)
        self.blocks, self.budget = len(model.blocks()), budget or training_budget(model)
        self.reads = math.inf if self.head else reads_at_once(model)
        reads = AT_ONCE if self.head else self.reads
        self.logits_bytes = TABLES * 4 * reads * model.vocabulary_size
        samples = [student.trees(rows)[0] for rows in _samples(student) if rows]
        self.kept, self.kept_checkpointed = (
            max(kept_bytes(forward, model, parameters, trees) / sum(map(len, trees)) for trees in samples)
            for forward in (self.plain, self.checkpointed)
        )
        self.tokens = self.budget / self.kept
        """Of a pass without checkpointing."""
        rare = self.tokens >= MINIMUM
        self.most = min(MAXIMUM, self.tokens if rare else max(MINIMUM, self.budget / self.kept_checkpointed))
        """Of a pass of several rows."""

    def forecast_bytes(self, batch: int) -> float:
        """What a step of that many rows will need at its peak beside the model: gradients, Adam's moments and a pass."""
        lengths = [len(stem) + length for stem, length in zip(self.student.stems, self.student.lengths, strict=True)]
        longest, usual = max(lengths), batch * sum(self.student.lengths) / len(lengths)
        # A checkpointed block is run again with all that it keeps.
        long = longest * (self.kept_checkpointed + self.kept / self.blocks) if longest > self.tokens else longest * self.kept
        updates = 12 * sum(each.numel() for each in self.parameters.values())
        return updates + max(long, min(self.most, usual) * self.kept) + self.logits_bytes

    def loss(self, batch: Sequence[int]) -> Tensor:
        """Of each row of a pass."""
        trees, order = self.student.trees(batch)
        forward = self.plain if sum(map(len, trees)) <= self.tokens else self.checkpointed
        outputs = (forward.hidden_states if self.head else forward.logits)({0: trees})[0]
        losses = self.student.loss(order, outputs, self.head)
        return losses[[order.index(row) for row in batch]]

    def split(self, batch: Sequence[int]) -> list[list[int]]:
        lengths, stems, parts = self.student.lengths, self.student.stems, list[list[int]]()
        tokens = reads = 0
        for row in sorted(batch, key=lambda row: (stems[row], lengths[row])):
            tokens, reads = tokens + lengths[row], reads + len(self.student.rows[row].logprobs)
            # Where attention is in one block (a GPU, models that do not pack), short texts are padded to a long one.
            unlike = parts and lengths[row] > 3 * lengths[parts[-1][0]]
            if not parts or unlike or tokens > self.most or reads > self.reads:
                parts.append([])
                tokens, reads = lengths[row] + len(stems[row]), len(self.student.rows[row].logprobs)
            elif stems[row] != stems[parts[-1][-1]]:
                tokens += len(stems[row])
            parts[-1].append(row)
        return parts


def _samples(student: Student) -> list[list[int]]:
    """Rows that show how many bytes a token keeps: some short ones, and a long one, whose attention keeps more."""
    short, tokens = list[int](), 0
    for row, length in enumerate(student.lengths):
        if short and tokens + length > SAMPLE_TOKENS:
            break
        short, tokens = [*short, row], tokens + length
    fitting = [row for row, length in enumerate(student.lengths) if length <= LONG_TOKENS]
    return [short, [max(fitting, key=lambda row: student.lengths[row])] if fitting else []]
