"""The student's loss in context distillation: one number for each input of the pool and each labelled shot."""

import random
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from inweights.engine.trees import Tree
from inweights.methods.prepared import gold
from inweights.models.base import Backbone
from inweights.scoring import LabelTargets, Queries, longest_word, only_tokens, queries_of, token_log_probs, word_logits
from inweights.scoring.teacher import Targets
from inweights.scoring.teacher_logprobs import divergences
from inweights.types import Example, Prompt


class DistillationLoss:
    """Its rows are the pool's inputs, then the labelled shots.

    `targets`: the teacher's for the pool, by context; `rng` chooses a context each time an input is used. The mean over all
    rows is the mean divergence over the pool + gold_weight * the mean cross-entropy over the shots.
    """

    def __init__(
        self,
        model: Backbone,
        prompt: Prompt,
        targets: Sequence[Targets],
        pool: Sequence[Example],
        labelled: Sequence[Example],
        gold_weight: float,
        rng: random.Random,
    ) -> None:
        self.queries = queries_of(model, prompt, [*pool, *labelled])
        self.targets, self.rng = targets, rng
        self.pool = len(pool)
        self.rows = range(len(pool) + len(labelled))
        self.lengths = list(map(len, self.queries.trees))
        self.gold = torch.tensor(gold(labelled))
        self.weights = (len(self.rows) / len(pool), gold_weight * len(self.rows) / max(1, len(labelled)))
        self.longest = longest_word([self.queries])
        over_labels = isinstance(targets[0], LabelTargets)
        self.vocabulary = only_tokens([self.queries]) if over_labels else None
        """A divergence among labels of one token each needs no other logits."""

    def trees(self, rows: Sequence[int]) -> tuple[Tree, ...]:
        """What the model reads for some rows, in the order that `loss` expects."""
        return self.queries.at(sorted(rows)).trees

    def loss(self, rows: Sequence[int], logits: Tensor) -> Tensor:
        """In the order of rows: the pool's first, then the labelled ones. Only the sum is used."""
        rows = sorted(rows)
        inputs = [row for row in rows if row < self.pool]
        shots = [row for row in rows if row >= self.pool]
        parts = [self.queries.at(some) for some in (inputs, shots)]
        of_inputs, of_shots = logits.split([sum(_counts(part)) for part in parts])
        losses = []
        if inputs:
            losses.append(self.weights[0] * self._divergence(inputs, parts[0], of_inputs))
        if shots:
            right = self.gold[[row - self.pool for row in shots]].to(logits.device)
            losses.append(self.weights[1] * F.cross_entropy(self._scores(parts[1], of_shots), right, reduction="none"))
        return torch.cat(losses)

    def _divergence(self, rows: Sequence[int], part: Queries, logits: Tensor) -> Tensor:
        drawn = [self.targets[self.rng.randrange(len(self.targets))] for _ in rows]
        over_labels = [each.log_probs[row] for each, row in zip(drawn, rows, strict=True) if isinstance(each, LabelTargets)]
        if over_labels:
            return LabelTargets(torch.stack(over_labels)).kl_to(self._scores(part, logits))
        over_tokens = [each[row] for each, row in zip(drawn, rows, strict=True) if not isinstance(each, LabelTargets)]
        return divergences(over_tokens, logits, _counts(part))

    def _scores(self, part: Queries, logits: Tensor) -> Tensor:
        if self.vocabulary is not None:
            return word_logits(part, logits, self.vocabulary)
        return token_log_probs(part, logits, self.longest).sum(-1)


def _counts(queries: Queries) -> list[int]:
    """The number of positions read in each example."""
    return [len(tree.positions_read) for tree in queries.trees]
