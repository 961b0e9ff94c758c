"""Embeddings that were learnt, in front of everything that is read: of one run, or each lane's own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from inweights.engine.layouts import tree_layout
from inweights.engine.packed import read_packed
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.switches import hooked
from inweights.engine.trees import Layer, Patch, Prefix, Tree


@dataclass(frozen=True)
class SoftPrompt:
    """A patch that changes no module: the model reads behind what its blocks make of these embeddings.

    Attention is causal, so that is the same in front of every text; it is made once for a pass, with gradients.
    """

    embeddings: tuple[nn.Parameter, ...] = field(repr=False)
    """One table for each lane: tokens x size, as the model's own embedding gives them."""
    stacks: bool = True

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        several = [self, *(each for each in others if isinstance(each, SoftPrompt))]
        alike = [each for each in several if each.stacks and each.embeddings[0].shape == self.embeddings[0].shape]
        return SoftPrompt(tuple(own for each in alike for own in each.embeddings)) if len(alike) > len(others) else None

    def prefixes(self, module: nn.Module, patches: Sequence[Patch]) -> list[Prefix]:
        """One for each lane; `patches` are on while they are made."""
        tokens = len(self.embeddings[0])
        trees = [Tree((0,) * tokens, reads=(tokens - 1,)) for _ in self.embeddings]
        segments = [RunSegment(tokens, 1) for _ in trees] if len(trees) > 1 else []
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        layout = tree_layout(trees, self.embeddings[0].device, segments=segments, captured=captured)
        put_in = _InPlaceOfEmbedded(module, torch.cat(self.embeddings)[None])
        read_packed(module, (*patches, put_in), trees, layout, "hidden", None)
        keys, values = ([captured[layer][kind].split(tokens, 1) for layer in sorted(captured)] for kind in (0, 1))
        return [
            Prefix(tree.stem, tuple(each[segment] for each in keys), tuple(each[segment] for each in values))
            for segment, tree in enumerate(trees)
        ]


@dataclass(frozen=True)
class _InPlaceOfEmbedded:
    """A patch: whatever tokens are looked up, these embeddings come."""

    module: nn.Module
    embeddings: Tensor = field(repr=False)

    def __call__(self) -> AbstractContextManager[None]:
        def put_in(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return self.embeddings.to(output.dtype)

        return hooked([cast(Any, self.module).get_input_embeddings().register_forward_hook(put_in)])
