"""Soft prompts: learned embeddings that precede every text, of one run or of several stacked runs."""

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
    """A patch that changes no module: every text is read after the keys and values that the blocks make of the embeddings.

    Attention is causal, so these keys and values do not depend on the text: they are made once for a forward pass, with
    gradients, and from there on the soft prompt is a prefix like any other.
    """

    embeddings: tuple[nn.Parameter, ...] = field(repr=False)
    """One table for each run: tokens x hidden size, on the scale of the embedding's output."""
    stacks: bool = True

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        prompts = [self, *(patch for patch in others if isinstance(patch, SoftPrompt))]
        alike = [each for each in prompts if each.stacks and each.embeddings[0].shape == self.embeddings[0].shape]
        return SoftPrompt(tuple(table for each in alike for table in each.embeddings)) if len(alike) > len(others) else None

    def prefixes(self, module: nn.Module, patches: Sequence[Patch]) -> list[Prefix]:
        """One for each run, made with `patches` on."""
        tokens = len(self.embeddings[0])
        trees = [Tree((0,) * tokens, reads=(tokens - 1,)) for _ in self.embeddings]
        segments = [RunSegment(tokens, 1) for _ in trees] if len(trees) > 1 else []
        captured: dict[Layer, tuple[Tensor, Tensor]] = {}
        layout = tree_layout(trees, self.embeddings[0].device, segments=segments, captured=captured)
        # The trees' token ids are never looked up: their embeddings are replaced by the learned ones.
        embeddings = _InPlaceOfEmbedded(module, torch.cat(self.embeddings)[None])
        read_packed(module, (*patches, embeddings), trees, layout, "hidden", None)
        keys, values = ([captured[layer][kind].split(tokens, 1) for layer in sorted(captured)] for kind in (0, 1))
        return [
            Prefix(tree.stem, tuple(each[segment] for each in keys), tuple(each[segment] for each in values))
            for segment, tree in enumerate(trees)
        ]


@dataclass(frozen=True)
class _InPlaceOfEmbedded:
    """A patch: the embedding layer returns these embeddings, whatever tokens are looked up."""

    module: nn.Module
    embeddings: Tensor = field(repr=False)

    def __call__(self) -> AbstractContextManager[None]:
        def replaced(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return self.embeddings.to(output.dtype)

        return hooked([cast(Any, self.module).get_input_embeddings().register_forward_hook(replaced)])
