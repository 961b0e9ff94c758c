"""Trained KV prefixes that precede every text: one for all inputs, or one for each stacked run."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from inweights.engine.soft_prompt import SoftPrompt
from inweights.engine.trees import Patch, Prefix, TokenCount


@dataclass(frozen=True)
class LearnedPrefix:
    """A patch that changes no module: the model reads every text after it (`learned_prefixes_of`).

    Once it is a `Prefix`, attention treats it like encoded tokens, with gradients.
    """

    keys: tuple[nn.Parameter, ...] = field(repr=False)
    """One for each block: kv_heads x tokens x head_dim."""
    values: tuple[nn.Parameter, ...] = field(repr=False)
    stacks: bool = True
    sink: tuple[tuple[Tensor, Tensor], ...] = field(default=(), repr=False)
    """Keys and values of the first positions, which are not trained and begin every text; empty where all are trained.
    Models put much of their attention on the first position, so it keeps its values (Eyuboglu et al. 2025, arXiv
    2506.06266)."""

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()

    @property
    def tokens(self) -> int:
        return self.keys[0].shape[1] + (self.sink[0][0].shape[1] if self.sink else 0)

    def beside(self, others: Sequence[Patch]) -> "LearnedPrefixByRun | None":
        prefixes = [self, *(patch for patch in others if isinstance(patch, LearnedPrefix))]
        alike = [each for each in prefixes if each.stacks and each.keys[0].shape == self.keys[0].shape]
        return LearnedPrefixByRun(tuple(alike)) if len(alike) > len(others) else None

    def prefix(self, like: nn.Module) -> Prefix:
        """In the dtype of the model's keys; it is trained in fp32."""
        return self.prefix_in(next(like.parameters()).dtype)

    def prefix_in(self, dtype: torch.dtype) -> Prefix:
        keys: list[Tensor] = list(self.keys)
        values: list[Tensor] = list(self.values)
        # The positions that are not trained come first, as they do in a text.
        for block, (key, value) in enumerate(self.sink):
            keys[block], values[block] = torch.cat([key, keys[block]], 1), torch.cat([value, values[block]], 1)
        keys, values = ([each.to(dtype) for each in table] for table in (keys, values))
        # Its ids stand for no tokens: what counts is how many positions it takes.
        return Prefix((0,) * self.tokens, tuple(keys), tuple(values))


@dataclass(frozen=True)
class LearnedPrefixByRun:
    """The learned prefixes of several runs in one row: each precedes the texts of its run's segment."""

    prefixes: tuple[LearnedPrefix, ...]

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()


def learned_prefixes_of(patches: Sequence[Patch], module: nn.Module, counter: TokenCount) -> list[Prefix]:
    """The learned prefixes among the patches: none, one, or one for each stacked run."""
    for patch in patches:
        if isinstance(patch, LearnedPrefix):
            return [patch.prefix(module)]
        if isinstance(patch, LearnedPrefixByRun):
            return [each.prefix(module) for each in patch.prefixes]
        if isinstance(patch, SoftPrompt):  # its positions go through all blocks in every pass, so they are counted
            counter.tokens += virtual_token_count(patch) * len(patch.embeddings)
            return patch.prefixes(module, patches)
    return []


def begins_texts(patch: Patch) -> bool:
    """Whether a text continues the patch, without special tokens before it."""
    return isinstance(patch, LearnedPrefix) and bool(patch.sink)


def virtual_token_count(patch: Patch) -> int:
    """Positions of the context window that a patch takes."""
    if isinstance(patch, LearnedPrefix | LearnedPrefixByRun):
        return (patch if isinstance(patch, LearnedPrefix) else patch.prefixes[0]).tokens
    return len(patch.embeddings[0]) if isinstance(patch, SoftPrompt) else 0
