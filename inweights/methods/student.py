"""The student's loss in context distillation, one number for each input of the pool and each labelled shot."""

import random
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from inweights.methods.items import gold, pieces
from inweights.models.base import LanguageModel
from inweights.scoring import Answers, LabelTargets, label_scores
from inweights.scoring.teacher import Targets, student_kl
from inweights.types import Example, Prompt


def student_loss(
    student: LanguageModel,
    prompt: Prompt,
    told: Sequence[Targets],
    pool: Sequence[Example],
    learnt: Sequence[Example],
    gold_weight: float,
    rng: random.Random,
    batch_tokens: int,
) -> tuple[Callable[[Sequence[int]], Tensor], range, Callable[[Sequence[int]], list[list[int]]]]:
    """The loss of rows, all rows, and how to cut a batch of them. Rows are the pool's, then those of `learnt`.

    `told`: the teacher's targets for the pool, per context; each time an input is met, `rng` chooses one. The mean
    over all rows is the mean divergence over the pool + gold_weight * the mean cross-entropy over `learnt`.
    """
    examples = [*pool, *learnt]
    lengths = [len(ids) for ids in student.encode([prompt.body(example) for example in examples])]
    targets = _end_to_end(told)
    divergence_weight = len(examples) / len(pool)
    answer_weight = gold_weight * len(examples) / max(1, len(learnt))

    def loss(rows: Sequence[int]) -> Tensor:
        inputs = [row for row in rows if row < len(pool)]
        answered = [examples[row] for row in rows if row >= len(pool)]
        parts = []
        if inputs:
            cells = torch.tensor([rng.randrange(len(told)) * len(pool) + row for row in inputs])
            asked = [examples[row] for row in inputs]
            parts.append(divergence_weight * student_kl(targets.at(cells), student, prompt, asked))
        if answered:
            scores = label_scores(student, prompt, answered)
            right = torch.tensor(gold(answered), device=scores.device)
            parts.append(answer_weight * F.cross_entropy(scores, right, reduction="none"))
        return torch.cat(parts)

    return loss, range(len(examples)), lambda rows: pieces(rows, lengths, batch_tokens)


def _end_to_end(told: Sequence[Targets]) -> Targets:
    """The targets of all contexts as one table, context after context."""
    if isinstance(told[0], LabelTargets):
        return LabelTargets(torch.cat([each.log_probs for each in told]))
    answers = [each for each in told if isinstance(each, Answers)]
    ids = [each.ids for each in answers if each.ids is not None]
    log_probs, reach = torch.cat([each.log_probs for each in answers]), torch.cat([each.reach for each in answers])
    return Answers(log_probs, reach, torch.cat(ids) if ids else None)
