"""Kullback-Leibler divergences from a teacher to a student, in fp32 log-probabilities; no mass is dropped."""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.types import UserError


def kl(teacher: Float[Tensor, "*rows cells"], student: Float[Tensor, "*rows cells"]) -> Float[Tensor, "*rows"]:
    """KL(teacher || student) in nats, of log-probabilities. Cells where the teacher is -inf add 0.

    Without that rule 0 * inf would be NaN, in the loss and in its gradient.
    """
    teacher, student = teacher.float(), student.float()
    mass = teacher.exp()
    terms = torch.where(mass > 0, mass * (teacher - student), 0.0)
    return terms.sum(-1)


def with_rest(log_probs: Float[Tensor, "*rows vocabulary"], ids: Int[Tensor, "*rows k"]) -> Float[Tensor, "*rows k_plus_1"]:
    """The cells `ids` and one more cell for all other tokens, as a distribution.

    The last cell is the log-sum-exp of the others and not 1 minus the kept cells: that difference rounds to 0 for a
    confident student, whose divergence from a teacher with any rest would then be infinite.
    """
    top = log_probs.gather(-1, ids)
    if ids.shape[-1] == log_probs.shape[-1]:  # nothing is left, and a log-sum-exp over nothing has NaN gradients
        return F.pad(top, (0, 1), value=-torch.inf)
    rest = log_probs.scatter(-1, ids, -torch.inf).logsumexp(-1, keepdim=True)
    return torch.cat([top, rest], -1)


def cells_or_raise(k: int, vocabulary: int) -> int:
    """k, but no more than the vocabulary has. Raises UserError where k is below 1."""
    if k < 1:
        raise UserError(f"top_k is {k}: expected at least 1")
    return min(k, vocabulary)
