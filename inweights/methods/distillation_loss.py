"""The student's loss in context distillation, one number for each input of the pool and each labelled shot."""

import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from inweights.methods.items import gold
from inweights.models.base import LanguageModel
from inweights.scoring import (
    Answers,
    LabelTargets,
    Queries,
    answer_positions,
    answers_read,
    longest_word,
    only_tokens,
    queries_of,
    token_log_probs,
    word_logits,
)
from inweights.scoring.teacher import Targets
from inweights.types import Example, Prompt


class Student:
    """Rows are the pool's, then those of `learnt`.

    `told`: the teacher's targets for the pool, per context; each time an input is met, `rng` chooses one. The mean
    over all rows is the mean divergence over the pool + gold_weight * the mean cross-entropy over `learnt`.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompt: Prompt,
        told: Sequence[Targets],
        pool: Sequence[Example],
        learned: Sequence[Example],
        gold_weight: float,
        rng: random.Random,
    ) -> None:
        self.queries = queries_of(model, prompt, [*pool, *learned])
        self.targets, self.contexts, self.rng = _end_to_end(told), len(told), rng
        self.pool = len(pool)
        self.rows = range(len(pool) + len(learned))
        self.lengths = list(map(len, self.queries.trees))
        self.gold = torch.tensor(gold(learned))
        self.weights = (len(self.rows) / len(pool), gold_weight * len(self.rows) / max(1, len(learned)))
        self.longest, self.positions = longest_word([self.queries]), answer_positions([self.queries])
        of_labels = isinstance(self.targets, LabelTargets)
        self.vocabulary = only_tokens([self.queries]) if of_labels else None
        """Divergence among labels of one token each needs no other token's logit."""

    def asked(self, rows: Sequence[int]) -> tuple[Any, ...]:
        return self.queries.at(sorted(rows)).trees

    def loss(self, rows: Sequence[int], logits: Tensor) -> Tensor:
        """In the order of the pool's rows, then of the labelled ones; only their sum is used."""
        rows = sorted(rows)
        inputs = [row for row in rows if row < self.pool]
        answered = [row for row in rows if row >= self.pool]
        parts = [self.queries.at(some) for some in (inputs, answered)]
        told, said = logits.split([sum(len(tree.positions_read) for tree in part.trees) for part in parts])
        losses = []
        if inputs:
            cells = torch.tensor([self.rng.randrange(self.contexts) * self.pool + row for row in inputs])
            losses.append(self.weights[0] * self._divergence(cells, parts[0], told))
        if answered:
            right = self.gold[[row - self.pool for row in answered]].to(logits.device)
            losses.append(self.weights[1] * F.cross_entropy(self._scores(parts[1], said), right, reduction="none"))
        return torch.cat(losses)

    def _divergence(self, cells: Tensor, part: Queries, logits: Tensor) -> Tensor:
        targets = self.targets.at(cells.to(logits.device))
        if isinstance(targets, LabelTargets):
            return targets.kl_to(self._scores(part, logits))
        return targets.kl_to(answers_read(part, logits, self.positions).log_probs)

    def _scores(self, part: Queries, logits: Tensor) -> Tensor:
        if self.vocabulary is not None:
            return word_logits(part, logits, self.vocabulary)
        return token_log_probs(part, logits, self.longest).sum(-1)


def _end_to_end(told: Sequence[Targets]) -> Targets:
    """The targets of all contexts as one table, context after context."""
    if isinstance(told[0], LabelTargets):
        return LabelTargets(torch.cat([each.log_probs for each in told]))
    answers = [each for each in told if isinstance(each, Answers)]
    ids = [each.ids for each in answers if each.ids is not None]
    log_probs, reach = torch.cat([each.log_probs for each in answers]), torch.cat([each.reach for each in answers])
    return Answers(log_probs, reach, torch.cat(ids) if ids else None)
