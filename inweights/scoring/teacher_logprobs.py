"""What a teacher says of every token of given answers, as data: its likeliest tokens and one cell for all others.

How many tokens are kept is chosen position by position: as few as hold `mass` of the probability, within bounds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.engine.out_of_memory import is_out_of_memory
from inweights.engine.trees import Behind, Tree, prefix_of_each
from inweights.models.base import LanguageModel
from inweights.scoring.batches import batches_of, tokens_at_once
from inweights.scoring.divergence import kl, with_rest
from inweights.types import UserError

MASS, LEAST, MOST = 0.995, 4, 64
LEAST_LOG = -13.8
T = TypeVar("T")


@dataclass(frozen=True)
class Completion:
    """A question's tokens and its answer's; the answer is read where it is, never tokenised again."""

    question: tuple[int, ...]
    answer: tuple[int, ...]

    @property
    def tree(self) -> Tree:
        """Read at the positions whose next token is one of the answer's."""
        first = len(self.question) - 1
        return Tree(self.question + self.answer[:-1], reads=tuple(range(first, first + len(self.answer))))


@dataclass(frozen=True)
class TopK:
    """How much of a teacher's distribution is kept: k for each position, the fewest that hold `mass`."""

    mass: float = MASS
    least: int = LEAST
    most: int = MOST

    def __post_init__(self) -> None:
        if not 0 < self.mass <= 1 or not 1 <= self.least <= self.most:
            raise UserError(
                f"mass {self.mass}, least {self.least} and most {self.most}: a share and 1 <= least <= most are wanted"
            )


TOP_K = TopK()


@dataclass(frozen=True)
class TeacherLogprobs:
    """Of every token of one answer, fp32 natural log-probabilities.

    Of the cells but the last, `ids` are the tokens, likeliest first; the last is the rest. Where fewer are kept than
    there are columns, a cell repeats the likeliest token at -inf and weighs nothing.
    """

    ids: Int[Tensor, "tokens k"]
    log_probs: Float[Tensor, "tokens k_plus_1"]

    def kl_to(self, student: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, " tokens"]:
        """KL(teacher || student) in nats, of the student's log-probabilities over the vocabulary."""
        return kl(self.log_probs, with_rest(student, self.ids.long()))

    def kl_from(self, student: Float[Tensor, "tokens vocabulary"]) -> Float[Tensor, " tokens"]:
        """KL(student || teacher) over the same cells, in nats; what the teacher leaves out weighs as 1e-6 there."""
        cells = with_rest(student, self.ids.long())
        terms = cells.exp() * (cells - self.log_probs.clamp_min(LEAST_LOG))
        doubled = F.pad(torch.isinf(self.log_probs[:, :-1]), (0, 1))
        return terms.masked_fill(doubled, 0.0).sum(-1)


def told(log_probs: Float[Tensor, "tokens vocabulary"], kept: TopK = TOP_K) -> TeacherLogprobs:
    """The teacher's distributions with `kept.least` to `kept.most` tokens each, and the rest exact in fp32."""
    size = log_probs.shape[-1] - 1  # one token at least is the rest's
    top, ids = log_probs.topk(min(kept.most, size), -1)
    wanted = (top.exp().cumsum(-1) < kept.mass).sum(-1) + 1
    counts = wanted.clamp(min(kept.least, size), top.shape[1])
    columns = int(counts.max())
    out = torch.arange(columns, device=top.device) >= counts[:, None]
    ids = torch.where(out, ids[:, :1], ids[:, :columns])
    cells = with_rest(log_probs, ids)
    cells[:, :-1] = cells[:, :-1].masked_fill(out, -torch.inf)
    return TeacherLogprobs(ids, cells)


@torch.no_grad()
def teacher_logprobs(
    model: LanguageModel,
    behind: Behind,
    asked: Sequence[Completion],
    kept: TopK = TOP_K,
    *,
    batch_tokens: int = 8192,
) -> list[TeacherLogprobs]:
    """What the model says of each answer behind its prefix, encoded once; on the CPU, in their order."""

    def of(_: Sequence[int], rows: Sequence[Tensor]) -> list[TeacherLogprobs]:
        counts = [len(row) for row in rows]
        both = told(torch.cat(list(rows)).log_softmax(-1), kept)
        ids, log_probs = both.ids.int().cpu(), both.log_probs.cpu()
        return [TeacherLogprobs(*pair) for pair in zip(ids.split(counts), log_probs.split(counts), strict=True)]

    return read_answers(model, behind, asked, of, batch_tokens)


def read_answers(
    model: LanguageModel,
    behind: Behind,
    asked: Sequence[Completion],
    of: Callable[[Sequence[int], Sequence[Float[Tensor, "tokens vocabulary"]]], list[T]],
    batch_tokens: int,
) -> list[T]:
    """What `of` makes of the logits of some answers, given their numbers; a pass memory has no room for is halved."""
    most = tokens_at_once(batch_tokens, model.hidden_size, next(model.module.parameters()).device.type)
    trees = [each.tree for each in asked]
    before = prefix_of_each(behind, len(asked))
    waiting = batches_of([len(tree) for tree in trees], most)
    found: dict[int, T] = {}
    while waiting:
        batch = waiting.pop(0)
        try:
            logits = model.next_token_logits([trees[i] for i in batch], [before[i] for i in batch])
            rows = logits.split([len(asked[i].answer) for i in batch])
            found.update(zip(batch, of(batch, rows), strict=True))
            continue
        except Exception as error:
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
        half = len(batch) // 2
        waiting = [batch[:half], batch[half:], *waiting]
    return [found[i] for i in range(len(asked))]


def end_to_end(each: Sequence[TeacherLogprobs], device: torch.device) -> TeacherLogprobs:
    """Of several answers, one after the other, as wide as the widest."""
    columns = max(one.ids.shape[1] for one in each)
    ids, cells = [], []
    for one in each:
        more = columns - one.ids.shape[1]
        ids.append(torch.cat([one.ids, one.ids[:, :1].expand(-1, more)], 1))
        cells.append(torch.cat([F.pad(one.log_probs[:, :-1], (0, more), value=-torch.inf), one.log_probs[:, -1:]], 1))
    return TeacherLogprobs(torch.cat(ids).long().to(device), torch.cat(cells).to(device))
