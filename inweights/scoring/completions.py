"""Completions of prompts as token ids, and a model's predictions at each of their tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.trees import Prefixes, Tree, prefix_of_each
from inweights.models.base import Backbone
from inweights.models.batched_forward import batches_of, tokens_at_once
from inweights.scoring.teacher_logprobs import TOP_K, TeacherLogprobs, TopK, truncated
from inweights.types import is_out_of_memory

T = TypeVar("T")


@dataclass(frozen=True)
class Completion:
    """The token ids of a prompt and of its completion; the completion is never tokenised again, which could give others."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    @property
    def tree(self) -> Tree:
        """Read at the positions that predict the completion's tokens: from the prompt's last one on."""
        first = len(self.prompt_ids) - 1
        return Tree(self.prompt_ids + self.completion_ids[:-1], reads=tuple(range(first, first + len(self.completion_ids))))


@torch.no_grad()
def teacher_logprobs(
    model: Backbone,
    prefixes: Prefixes,
    completions: Sequence[Completion],
    kept: TopK = TOP_K,
    *,
    batch_tokens: int = 8192,
) -> list[TeacherLogprobs]:
    """The model's distributions at every token of each completion, on the CPU, in order.

    `prefixes`: the encoded context of all completions, or one for each.
    """

    def of(_: Sequence[int], rows: Sequence[Tensor]) -> list[TeacherLogprobs]:
        counts = [len(row) for row in rows]
        # Truncated pass by pass, so that no more than one pass of whole vocabularies is in memory; ids as int32.
        both = truncated(torch.cat(list(rows)).log_softmax(-1), kept)
        assert both.ids is not None
        ids, log_probs = both.ids.int().cpu(), both.log_probs.cpu()
        return [TeacherLogprobs(*pair) for pair in zip(ids.split(counts), log_probs.split(counts), strict=True)]

    return read_completions(model, prefixes, completions, of, batch_tokens)


def read_completions(
    model: Backbone,
    prefixes: Prefixes,
    completions: Sequence[Completion],
    of: Callable[[Sequence[int], Sequence[Float[Tensor, "tokens vocabulary"]]], list[T]],
    batch_tokens: int,
) -> list[T]:
    """For each completion a value that `of` makes of the completions' numbers and the logits at their tokens.

    `of` is called once per pass, so that logits over the vocabulary exist for one pass at a time. A pass for which there
    is not enough memory is repeated in halves.
    """
    maximum = tokens_at_once(batch_tokens, model.hidden_size, model.device.type)
    trees = [each.tree for each in completions]
    by_tree = prefix_of_each(prefixes, len(completions))
    waiting = batches_of([len(tree) for tree in trees], maximum)
    made: dict[int, T] = {}
    while waiting:
        batch = waiting.pop(0)
        try:
            logits = model.next_token_logits([trees[i] for i in batch], [by_tree[i] for i in batch])
            rows = logits.split([len(completions[i].completion_ids) for i in batch])
            made.update(zip(batch, of(batch, rows), strict=True))
            continue
        except Exception as error:
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
        # Outside of the handler, which would keep the tensors of the failed pass alive.
        half = len(batch) // 2
        waiting = [batch[:half], batch[half:], *waiting]
    return [made[i] for i in range(len(completions))]
