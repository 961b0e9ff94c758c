"""What a teacher says, as data: the next token at every answer position, over all tokens or the top k and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.scoring.batches import batches_of
from inweights.scoring.divergence import kl, with_rest
from inweights.scoring.queries import queries_of
from inweights.types import Example, Prompt


@dataclass(frozen=True)
class Answers:
    """Next-token log-probabilities at the answer positions of every example, fp32.

    Positions: the prompt's end, then every token but the last of every label word, in label order. Only the label
    words are followed, so a position inside a word counts as much as the teacher is likely to reach it.
    """

    log_probs: Float[Tensor, "examples positions cells"]
    reach: Float[Tensor, "examples positions"]
    ids: Int[Tensor, "examples positions k"] | None = None
    """Of the cells but the last, which is the rest; None: the cells are the whole vocabulary."""

    def top(self, k: int) -> "Answers":
        """The k most likely tokens and one cell for all others (Askell et al. 2021, B.5: top 50 + 1)."""
        ids = self.log_probs.topk(min(k, self.log_probs.shape[-1]), -1).indices
        return Answers(with_rest(self.log_probs, ids), self.reach, ids)

    def at(self, rows: Int[Tensor, " rows"]) -> "Answers":
        return Answers(self.log_probs[rows], self.reach[rows], None if self.ids is None else self.ids[rows])

    def kl_to(self, student: Float[Tensor, "examples positions vocabulary"]) -> Float[Tensor, " examples"]:
        """KL(teacher || student) in nats, added up over the positions by their reach."""
        cells = student if self.ids is None else with_rest(student, self.ids)
        return (self.reach * kl(self.log_probs, cells)).sum(-1)


def answers(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Answers:
    """The whole vocabulary at every answer position; differentiable."""
    queries = queries_of(model, prompt, examples, context)
    prefix = model.prefix(queries.prefix) if queries.prefix else None
    rows: dict[int, tuple[Tensor, Tensor]] = {}
    for batch in batches_of([len(tree) for tree in queries.trees], batch_tokens):
        trees = [queries.trees[i] for i in batch]
        parts = model.next_token_logits(trees, prefix).log_softmax(-1).split([len(t.positions_read) for t in trees])
        for i, part in zip(batch, parts, strict=True):
            rows[i] = (part, _reach(part.detach(), queries.words[i]))
    ordered = [rows[i] for i in range(len(examples))]
    return Answers(torch.stack([part for part, _ in ordered]), torch.stack([reach for _, reach in ordered]))


def _reach(log_probs: Float[Tensor, "positions vocabulary"], words: Sequence[Sequence[int]]) -> Tensor:
    reach = [torch.zeros((), device=log_probs.device)]
    position = 1
    for word in words:
        total, place = torch.zeros((), device=log_probs.device), 0
        for token in word[:-1]:
            total = total + log_probs[place, token]
            reach.append(total)
            place, position = position, position + 1
    return torch.stack(reach).exp()
