"""Completions of prompts, as token ids, and what a model predicts at every token of them."""

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
    """A prompt's token ids and those of its completion; the completion is never tokenised again."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    @property
    def tree(self) -> Tree:
        """Read at the positions that predict the completion's tokens."""
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
    """The model's distributions at every token of each completion, on the CPU, in their order.

    `prefixes`: the encoded context in front of all completions, or one for each.
    """

    def of(_: Sequence[int], rows: Sequence[Tensor]) -> list[TeacherLogprobs]:
        counts = [len(row) for row in rows]
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
    """What `of` makes of the logits at some completions' tokens, given the completions' numbers.

    A pass that memory has no room for is run again in halves.
    """
    most = tokens_at_once(batch_tokens, model.hidden_size, model.device.type)
    trees = [each.tree for each in completions]
    before = prefix_of_each(prefixes, len(completions))
    waiting = batches_of([len(tree) for tree in trees], most)
    found: dict[int, T] = {}
    while waiting:
        batch = waiting.pop(0)
        try:
            logits = model.next_token_logits([trees[i] for i in batch], [before[i] for i in batch])
            rows = logits.split([len(completions[i].completion_ids) for i in batch])
            found.update(zip(batch, of(batch, rows), strict=True))
            continue
        except Exception as error:
            if not is_out_of_memory(error) or len(batch) == 1:
                raise
        half = len(batch) // 2
        waiting = [batch[:half], batch[half:], *waiting]
    return [found[i] for i in range(len(completions))]
