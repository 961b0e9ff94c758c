"""Trained KV prefixes in front of every text: one for all inputs, or one for each stacked run."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from inweights.engine.soft_prompt import SoftPrompt
from inweights.engine.trees import Patch, Prefix, TokenCount


@dataclass(frozen=True)
class LearnedPrefix:
    """A patch that changes no module: the model puts it in front of every text."""

    keys: tuple[nn.Parameter, ...] = field(repr=False)
    """One for each block: heads x tokens x size."""
    values: tuple[nn.Parameter, ...] = field(repr=False)
    stacks: bool = True
    sink: tuple[tuple[Tensor, Tensor], ...] = field(default=(), repr=False)
    """Keys and values of first positions that are not trained; none where all are."""

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()

    @property
    def tokens(self) -> int:
        return self.keys[0].shape[1] + (self.sink[0][0].shape[1] if self.sink else 0)

    def beside(self, others: Sequence[Patch]) -> "LearnedPrefixByRun | None":
        fronts = [self, *(each for each in others if isinstance(each, LearnedPrefix))]
        alike = [each for each in fronts if each.stacks and each.keys[0].shape == self.keys[0].shape]
        return LearnedPrefixByRun(tuple(alike)) if len(alike) > len(others) else None

    def prefix(self, like: nn.Module) -> Prefix:
        """In the dtype of the model's own keys."""
        return self.prefix_in(next(like.parameters()).dtype)

    def prefix_in(self, dtype: torch.dtype) -> Prefix:
        keys: list[Tensor] = list(self.keys)
        values: list[Tensor] = list(self.values)
        for block, (key, value) in enumerate(self.sink):
            keys[block], values[block] = torch.cat([key, keys[block]], 1), torch.cat([value, values[block]], 1)
        keys, values = ([each.to(dtype) for each in table] for table in (keys, values))
        return Prefix((0,) * self.tokens, tuple(keys), tuple(values))


@dataclass(frozen=True)
class LearnedPrefixByRun:
    fronts: tuple[LearnedPrefix, ...]

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()


def learned_prefixes_of(patches: Sequence[Patch], module: nn.Module, counter: TokenCount) -> list[Prefix]:
    """The learned prefixes among the patches: none, one, or one for each stacked run."""
    for patch in patches:
        if isinstance(patch, LearnedPrefix):
            return [patch.prefix(module)]
        if isinstance(patch, LearnedPrefixByRun):
            return [each.prefix(module) for each in patch.fronts]
        if isinstance(patch, SoftPrompt):
            counter.tokens += virtual_token_count(patch) * len(patch.embeddings)
            return patch.prefixes(module, patches)
    return []


def virtual_token_count(patch: Patch) -> int:
    """Positions that a patch takes up in front of every text."""
    if isinstance(patch, LearnedPrefix | LearnedPrefixByRun):
        return (patch if isinstance(patch, LearnedPrefix) else patch.fronts[0]).tokens
    return len(patch.embeddings[0]) if isinstance(patch, SoftPrompt) else 0
