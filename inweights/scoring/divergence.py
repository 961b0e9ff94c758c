"""Kullback-Leibler divergences from a teacher to a student, in fp32 log-probabilities, with nothing dropped."""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.types import UserError


def kl(teacher: Float[Tensor, "*rows cells"], student: Float[Tensor, "*rows cells"]) -> Float[Tensor, "*rows"]:
    """KL(teacher || student) in nats, of log-probabilities. Cells where the teacher is -inf add 0."""
    teacher, student = teacher.float(), student.float()
    mass = teacher.exp()
    terms = torch.where(mass > 0, mass * (teacher - student), 0.0)
    return terms.sum(-1)


def rest_cell(log_probs: Float[Tensor, "*rows k"]) -> Float[Tensor, "*rows"]:
    """Log-probability of everything outside the teacher's top k (Askell et al. 2021, appendix B.5).

    Nats. Exactly -inf where the k cells already hold all the mass. Raises ValueError where they hold over 1 + 1e-4.
    """
    inside = log_probs.float().logsumexp(-1)
    if bool((inside > 1e-4).any()):
        raise ValueError(f"the top cells hold {float(inside.max().exp()):.6f}, which is more than 1")
    inside = inside.clamp_max(0.0)
    full = inside >= -1e-7
    safe = torch.where(full, torch.full_like(inside, -1.0), inside)
    # log(1 - exp(x)), accurate at both ends (Maechler 2012): log(-expm1(x)) near 0, log1p(-exp(x)) far from it.
    near = torch.log(-torch.expm1(safe))
    far = torch.log1p(-torch.exp(safe))
    return torch.where(full, torch.full_like(inside, -torch.inf), torch.where(safe > -0.6931, near, far))


def with_rest(log_probs: Float[Tensor, "*rows vocabulary"], ids: Int[Tensor, "*rows k"]) -> Float[Tensor, "*rows k_plus_1"]:
    """The cells `ids` and one more for all others, as a distribution."""
    top = log_probs.gather(-1, ids)
    return torch.cat([top, rest_cell(top)[..., None]], -1)


def cells_or_raise(k: int, vocabulary: int) -> int:
    """Raises UserError where k is no number of cells; at most the whole vocabulary."""
    if k < 1:
        raise UserError(f"the teacher's top k must be at least 1, not {k}")
    return min(k, vocabulary)
