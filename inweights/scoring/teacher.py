"""A teacher's targets: its distribution over the labels, or over the next token at every position of the label words.

The teacher is the model with a context in its prompt. The context is encoded once, and its targets are computed once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inweights.models.base import Backbone
from inweights.models.batched_forward import read_tables
from inweights.models.choice_scores import logits_of_queries
from inweights.models.queries import Queries
from inweights.scoring.divergence import cells_or_raise, kl, with_rest
from inweights.scoring.labels import queries_of
from inweights.scoring.target_cache import in_shards
from inweights.scoring.teacher_logprobs import TeacherLogprobs
from inweights.types import Example, Prompt


@dataclass(frozen=True)
class LabelTargets:
    """Distributions over the labels, fp32 log-probabilities."""

    log_probs: Float[Tensor, "examples labels"]

    def kl_to(self, student: Float[Tensor, "examples labels"]) -> Float[Tensor, " examples"]:
        """KL(teacher || student) in nats; the student's label scores need not be normalised."""
        return kl(self.log_probs, student.log_softmax(-1))


Targets = LabelTargets | list[TeacherLogprobs]
"""Over the labels; or for each example over tokens, at the prompt's end and then at every token but the last of every
label word, in label order. The weight of a position inside a word is the teacher's probability of reaching it."""
TargetKind = Literal["labels", "top_k", "vocabulary"]


@torch.no_grad()
def teacher_targets(
    model: Backbone,
    prompt: Prompt,
    contexts: Sequence[str],
    examples: Sequence[Example],
    kind: TargetKind = "labels",
    k: int = 50,
    *,
    batch_tokens: int = 8192,
) -> list[Targets]:
    """The model's targets for all examples after each context; `k` is for `top_k` (Askell et al. 2021, B.5: 50 + 1).

    Within `target_cache.kept_in` they are kept on disk. Raises UserError where k is below 1.
    """
    queries = [queries_of(model, prompt, examples, context) for context in contexts]
    if kind == "labels":
        tables = in_shards(
            model, queries, "labels", lambda some: [(x,) for x in logits_of_queries(model, some, batch_tokens)]
        )
        return [LabelTargets(scores.log_softmax(-1)) for (scores,) in tables]
    positions = _answer_positions(queries)

    def read(some: Sequence[Queries]) -> list[tuple[Tensor, ...]]:
        return _padded_tables(model, some, batch_tokens, positions, k if kind == "top_k" else None)

    # The padding is part of the name, because it is part of the stored tables.
    what = f"{kind} {k} {positions}" if kind == "top_k" else f"{kind} {positions}"
    kept = in_shards(model, queries, what, read)
    return [_by_example(of_context, tables) for of_context, tables in zip(queries, kept, strict=True)]


def _answer_positions(queries: Sequence[Queries]) -> int:
    """The maximum number of answer positions of an example."""
    return max(len(tree.positions_read) for each in queries for tree in each.trees)


def _padded_tables(
    model: Backbone, queries: Sequence[Queries], batch_tokens: int, positions: int, k: int | None
) -> list[tuple[Tensor, ...]]:
    """Log-probabilities and weights for each set of queries, and ids if only the top k are kept; padded to `positions`.

    They are cut to the top k pass by pass, since the whole vocabulary of all examples may not fit in memory.
    """

    def of_logits(part: Queries, logits: Tensor) -> tuple[Tensor, ...]:
        log_probs, weights = _whole(part, logits, positions)
        if k is None:
            return log_probs, weights
        # The likeliest of the teacher; the student is read at the same ids later.
        ids = log_probs.topk(cells_or_raise(k, log_probs.shape[-1]), -1).indices
        return with_rest(log_probs, ids), weights, ids

    return read_tables(model, queries, batch_tokens, of_logits)


def _whole(queries: Queries, logits: Float[Tensor, "reads vocabulary"], positions: int) -> tuple[Tensor, Tensor]:
    rows = logits.log_softmax(-1).split([len(tree.positions_read) for tree in queries.trees])
    # Padding is a uniform distribution without weight and not -inf, whose divergences would be NaN; `_by_example` cuts it
    # off.
    padded = [F.pad(row, (0, 0, 0, positions - len(row)), value=-math.log(row.shape[1])) for row in rows]
    weights = [F.pad(_reach(row, words), (0, positions - len(row))) for row, words in zip(rows, queries.words, strict=True)]
    return torch.stack(padded), torch.stack(weights)


def _by_example(queries: Queries, tables: tuple[Tensor, ...]) -> list[TeacherLogprobs]:
    log_probs, weights, *top = tables
    counts = [len(tree.positions_read) for tree in queries.trees]
    return [
        TeacherLogprobs(top[0][row, :count] if top else None, log_probs[row, :count], weights[row, :count])
        for row, count in enumerate(counts)
    ]


def _reach(log_probs: Float[Tensor, "positions vocabulary"], words: Sequence[Sequence[int]]) -> Float[Tensor, " positions"]:
    """The teacher's probability of reaching each position: 1 at the prompt's end, inside a word that of its tokens so far.

    Positions are in the order of a tree's reads: the stem's end, then word after word. All words begin at the stem's end
    (place 0); each further token of a word is predicted at the position of the token before it.
    """
    # Weights are constants: a position must not count less because training makes it unlikely.
    fixed = log_probs.detach()
    reach = [fixed.new_zeros(())]
    for word in words:
        total, place = fixed.new_zeros(()), 0
        for token in word[:-1]:
            total = total + fixed[place, token]
            place = len(reach)
            reach.append(total)
    return torch.stack(reach).exp()
