"""What a teacher says, as data: over the labels, or of the next token at every answer position, all or top k + rest.

The teacher is the model with a context in front; its targets are computed once per context, which is encoded once.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.models.base import LanguageModel
from inweights.scoring.batched_forward import read_tables
from inweights.scoring.divergence import cells_or_raise, kl, with_rest
from inweights.scoring.labels import label_logits, logits_of_queries
from inweights.scoring.queries import Queries, queries_of
from inweights.scoring.target_cache import in_shards
from inweights.types import Example, Prompt


@dataclass(frozen=True)
class LabelTargets:
    """Distributions over the labels, fp32 log-probabilities."""

    log_probs: Float[Tensor, "examples labels"]

    def at(self, rows: Int[Tensor, " rows"]) -> "LabelTargets":
        return LabelTargets(self.log_probs[rows])

    def kl_to(self, student: Float[Tensor, "examples labels"]) -> Float[Tensor, " examples"]:
        """KL(teacher || student) in nats; the student's label scores need not add up to 1."""
        return kl(self.log_probs, student.log_softmax(-1))


@dataclass(frozen=True)
class Answers:
    """Next-token log-probabilities at the answer positions of every example, fp32.

    Positions: the prompt's end, then every token but the last of every label word, in label order. Only the label
    words are followed, so a position inside a word counts as much as the teacher is likely to reach it. Where label
    words are spelled in fewer tokens than elsewhere, positions that no one reaches fill up the end.
    """

    log_probs: Float[Tensor, "examples positions cells"]
    reach: Float[Tensor, "examples positions"]
    ids: Int[Tensor, "examples positions k"] | None = None
    """Of the cells but the last, which is the rest; None: the cells are the whole vocabulary."""

    def top(self, k: int) -> "Answers":
        """The k most likely tokens and one cell for all others (Askell et al. 2021, B.5: top 50 + 1)."""
        ids = self.log_probs.topk(cells_or_raise(k, self.log_probs.shape[-1]), -1).indices
        return Answers(with_rest(self.log_probs, ids), self.reach, ids)

    def at(self, rows: Int[Tensor, " rows"]) -> "Answers":
        return Answers(self.log_probs[rows], self.reach[rows], None if self.ids is None else self.ids[rows])

    def kl_to(self, student: Float[Tensor, "examples positions vocabulary"]) -> Float[Tensor, " examples"]:
        """KL(teacher || student) in nats, added up over the positions by their reach."""
        both = min(self.reach.shape[1], student.shape[1])
        cells = student[:, :both] if self.ids is None else with_rest(student[:, :both], self.ids[:, :both])
        return (self.reach[:, :both] * kl(self.log_probs[:, :both], cells)).sum(-1)


Targets = LabelTargets | Answers


@torch.no_grad()
def teacher_targets(
    model: LanguageModel,
    prompt: Prompt,
    contexts: Sequence[str],
    examples: Sequence[Example],
    kind: Literal["labels", "top_k", "vocabulary"] = "labels",
    k: int = 50,
    *,
    batch_tokens: int = 8192,
) -> list[Targets]:
    """What the model says of every example behind each context; `k` is for `top_k`.

    Kept on disk shard by shard where `shards.kept_in` says where.
    """
    queries = [queries_of(model, prompt, examples, each) for each in contexts]
    if kind == "labels":
        found = in_shards(
            model, queries, "labels", lambda some: [(x,) for x in logits_of_queries(model, some, batch_tokens)]
        )
        return [LabelTargets(scores.log_softmax(-1)) for (scores,) in found]
    positions = answer_positions(queries)

    def reduced(said: Answers) -> Answers:
        return said if kind == "vocabulary" else said.top(k)

    def read(some: Sequence[Queries]) -> list[tuple[Tensor, ...]]:
        return _answers(model, some, batch_tokens, positions, reduced)

    kept = f"{kind} {k} {positions}" if kind == "top_k" else f"{kind} {positions}"
    return [Answers(*tables) for tables in in_shards(model, queries, kept, read)]


def student_kl(
    targets: Targets, model: LanguageModel, prompt: Prompt, examples: Sequence[Example], *, batch_tokens: int = 1 << 20
) -> Float[Tensor, " examples"]:
    """KL(teacher || model) of every example without a context; differentiable."""
    if isinstance(targets, LabelTargets):
        [scores] = label_logits(model, prompt, [(examples, "")], batch_tokens=batch_tokens)
        return targets.kl_to(scores)
    return targets.kl_to(answers(model, prompt, examples, batch_tokens=batch_tokens).log_probs)


def answers(
    model: LanguageModel, prompt: Prompt, examples: Sequence[Example], context: str = "", *, batch_tokens: int = 8192
) -> Answers:
    """The whole vocabulary at every answer position; differentiable."""
    queries = [queries_of(model, prompt, examples, context)]
    [tables] = _answers(model, queries, batch_tokens, answer_positions(queries), lambda said: said)
    return Answers(*tables)


def answers_read(queries: Queries, logits: Float[Tensor, "reads vocabulary"], positions: int) -> Answers:
    """The whole vocabulary at every answer position, of which an example has at most `positions`; differentiable."""
    rows = logits.log_softmax(-1).split([len(tree.positions_read) for tree in queries.trees])
    # A position nobody reaches says that every token is as likely.
    filled = [F.pad(row, (0, 0, 0, positions - len(row)), value=-math.log(row.shape[1])) for row in rows]
    reach = [F.pad(_reach(row, words), (0, positions - len(row))) for row, words in zip(rows, queries.words, strict=True)]
    return Answers(torch.stack(filled), torch.stack(reach))


def answer_positions(asked: Sequence[Queries]) -> int:
    return max(len(tree.positions_read) for queries in asked for tree in queries.trees)


def _answers(
    model: LanguageModel,
    asked: Sequence[Queries],
    batch_tokens: int,
    positions: int,
    reduced: Callable[[Answers], Answers],
) -> list[tuple[Tensor, ...]]:
    """The fields of `Answers`; `reduced` pass by pass: the whole vocabulary of all examples may not fit in memory."""

    def of_logits(part: Queries, logits: Tensor) -> tuple[Tensor, ...]:
        said = reduced(answers_read(part, logits, positions))
        return said.log_probs, said.reach, *(() if said.ids is None else (said.ids,))

    return read_tables(model, asked, batch_tokens, of_logits)


def _reach(log_probs: Float[Tensor, "positions vocabulary"], words: Sequence[Sequence[int]]) -> Tensor:
    """How likely each position is reached: 1 at the prompt's end, inside a word what its tokens so far weigh."""
    told = log_probs.detach()
    reach = [told.new_zeros(())]
    for word in words:
        total, place = told.new_zeros(()), 0
        for token in word[:-1]:
            total = total + told[place, token]
            place = len(reach)
            reach.append(total)
    return torch.stack(reach).exp()
