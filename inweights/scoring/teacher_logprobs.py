"""A teacher's next-token distributions at the positions of answers: whole, or the likeliest tokens and the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.scoring.divergence import kl, with_rest
from inweights.types import UserError

SMALLEST_LOG_PROB = -13.8
"""The logarithm of 1e-6: bounds the reverse divergence where the teacher almost excludes a token."""


@dataclass(frozen=True)
class TopK:
    """How much of a teacher's distribution is kept: at each position the fewest tokens that hold `mass`."""

    mass: float = 0.995
    minimum: int = 4
    maximum: int = 64

    def __post_init__(self) -> None:
        if not 0 < self.mass <= 1 or not 1 <= self.minimum <= self.maximum:
            raise UserError(
                f"mass is {self.mass}, minimum {self.minimum} and maximum {self.maximum}: "
                "expected a share above 0 and 1 <= minimum <= maximum"
            )


TOP_K = TopK()


@dataclass(frozen=True)
class TeacherLogprobs:
    """A teacher's next-token distributions at the positions of one answer, fp32 natural log-probabilities.

    The cells are the tokens `ids`, likeliest first, and one cell for all other tokens; where `ids` is None, they are
    the whole vocabulary. Where a position keeps fewer tokens than there are columns, the spare cells repeat the
    likeliest token at -inf and weigh nothing.
    """

    ids: Int[Tensor, "positions k"] | None
    log_probs: Float[Tensor, "positions cells"]
    weights: Float[Tensor, " positions"] | None = None
    """How much the divergence at a position counts; None: 1 each. Inside a label word it is the teacher's probability
    of reaching that position."""

    def __len__(self) -> int:
        return len(self.log_probs)

    @property
    def likeliest(self) -> Int[Tensor, " positions"]:
        """The teacher's likeliest token at each position."""
        return self.log_probs.argmax(-1) if self.ids is None else self.ids[:, 0]

    def kl_to(self, student: Float[Tensor, "positions vocabulary"]) -> Float[Tensor, " positions"]:
        """KL(teacher || student) in nats, from the student's log-probabilities over the vocabulary."""
        return self._weighted(kl(self.log_probs, student if self.ids is None else with_rest(student, self.ids.long())))

    def kl_from(self, student: Float[Tensor, "positions vocabulary"]) -> Float[Tensor, " positions"]:
        """KL(student || teacher) over the same cells, in nats; a cell that the teacher excludes counts as 1e-6."""
        cells = student if self.ids is None else with_rest(student, self.ids.long())
        terms = cells.exp() * (cells - self.log_probs.clamp_min(SMALLEST_LOG_PROB))
        if self.ids is not None:
            # Spare cells repeat the likeliest token, so that here they would count the student's probability again.
            spare = F.pad(torch.isinf(self.log_probs[:, :-1]), (0, 1))
            terms = terms.masked_fill(spare, 0.0)
        return self._weighted(terms.sum(-1))

    def at(self, positions: slice | list[int]) -> "TeacherLogprobs":
        """The same at some of the positions."""
        ids = None if self.ids is None else self.ids[positions]
        weights = None if self.weights is None else self.weights[positions]
        return TeacherLogprobs(ids, self.log_probs[positions], weights)

    def _weighted(self, divergence: Tensor) -> Tensor:
        return divergence if self.weights is None else self.weights * divergence


def truncated(log_probs: Float[Tensor, "tokens vocabulary"], kept: TopK = TOP_K) -> TeacherLogprobs:
    """Distributions cut to `kept.minimum` to `kept.maximum` tokens; the probability of the rest is exact in fp32."""
    size = log_probs.shape[-1] - 1  # the rest has at least one token
    top, ids = log_probs.topk(min(kept.maximum, size), -1)
    fewest = (top.exp().cumsum(-1) < kept.mass).sum(-1) + 1  # the tokens that hold the mass, at each position
    counts = fewest.clamp(min(kept.minimum, size), top.shape[1])
    columns = int(counts.max())
    # Positions need different numbers of tokens; the spare cells repeat the likeliest one without weight.
    out = torch.arange(columns, device=top.device) >= counts[:, None]
    ids = torch.where(out, ids[:, :1], ids[:, :columns])
    cells = with_rest(log_probs, ids)
    cells[:, :-1] = cells[:, :-1].masked_fill(out, -torch.inf)
    return TeacherLogprobs(ids, cells)


def concatenated(tables: Sequence[TeacherLogprobs], device: torch.device) -> TeacherLogprobs:
    """The distributions of several answers one after the other, padded to the widest; either all are truncated or none."""
    weights = None
    if any(each.weights is not None for each in tables):
        ones = (torch.ones(len(each)) if each.weights is None else each.weights for each in tables)
        weights = torch.cat([each.to(device) for each in ones])
    if tables[0].ids is None:
        return TeacherLogprobs(None, torch.cat([each.log_probs for each in tables]).to(device), weights)
    truncated_ids = [each.ids for each in tables if each.ids is not None]
    columns = max(each.shape[1] for each in truncated_ids)
    # The rest is the last column, so spare columns go in before it.
    ids, cells = [], []
    for one, kept in zip(tables, truncated_ids, strict=True):
        spare = columns - kept.shape[1]
        ids.append(torch.cat([kept, kept[:, :1].expand(-1, spare)], 1))
        cells.append(torch.cat([F.pad(one.log_probs[:, :-1], (0, spare), value=-torch.inf), one.log_probs[:, -1:]], 1))
    return TeacherLogprobs(torch.cat(ids).long().to(device), torch.cat(cells).to(device), weights)


def gold_targets(tokens: Sequence[int]) -> TeacherLogprobs:
    """Targets of a teacher that is certain of every token: KL(teacher || student) is then the cross-entropy (SFT)."""
    cells = torch.tensor([[0.0, -torch.inf]]).repeat(len(tokens), 1)
    return TeacherLogprobs(torch.tensor(tokens, dtype=torch.int)[:, None], cells)


Divergence = Callable[[TeacherLogprobs, Tensor], Tensor]
"""From a teacher's distributions and a student's log-probabilities to nats at each position."""


def divergences(
    targets: Sequence[TeacherLogprobs],
    logits: Float[Tensor, "positions vocabulary"],
    counts: Sequence[int],
    divergence: Divergence = TeacherLogprobs.kl_to,
) -> Float[Tensor, " answers"]:
    """The divergence of every answer, summed over its positions. `counts`: the positions of each answer in `logits`.

    A label word may have another number of tokens after the teacher's context. Then the first positions, which both have,
    are compared.
    """
    # `logits` are the student's, position by position and answer after answer, as are the concatenated targets.
    common = [min(len(target), count) for target, count in zip(targets, counts, strict=True)]
    if common != list(counts):
        logits = torch.cat([row[:n] for row, n in zip(logits.split(list(counts)), common, strict=True)])
    teacher = concatenated([target.at(slice(n)) for target, n in zip(targets, common, strict=True)], logits.device)
    each = divergence(teacher, logits.log_softmax(-1))
    return torch.stack([part.sum() for part in each.split(common)])
