"""What causal models and encoders share: weights, tokenizer, and what is on during a forward pass."""

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field, replace
from typing import Any, Self, cast

import torch
from torch import Tensor, nn

from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Patch, TokenCount
from inweights.models.architecture import blocks_of
from inweights.models.card import ModelCard


@dataclass(frozen=True)
class LocalModel:
    """The data of a `Backbone` and views of it; how it is run is the family's."""

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    hidden_size: int
    _: KW_ONLY
    packs: bool = False
    """Whether its attention is ours; else it reads whole padded prompts."""
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()
    segments: tuple[RunSegment, ...] = ()
    """The runs that train in one row, if there are several."""
    frozen: FrozenBlocks | None = None
    """Blocks that no patch changes, and their outputs."""
    checkpointing: bool = False
    """Whether the backward pass runs blocks again."""

    @property
    def device(self) -> torch.device:
        return cast(torch.device, self.module.device)

    @property
    def config(self) -> Any:
        return cast(Any, self.module).config.get_text_config()

    @property
    def vocabulary_size(self) -> int:
        return len(cast(Tensor, self.input_embeddings.weight))

    @property
    def input_embeddings(self) -> nn.Module:
        return cast(nn.Module, cast(Any, self.module).get_input_embeddings())

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def patched(self, patch: Patch) -> Self:
        return replace(self, patches=(*self.patches, patch))

    def stacked(self, patches: Sequence[Patch], segments: Sequence[RunSegment]) -> Self:
        return replace(self, patches=tuple(patches), segments=tuple(segments))

    def training_view(self, frozen: FrozenBlocks | None, checkpointing: bool) -> Self:
        return replace(self, frozen=frozen, checkpointing=checkpointing)

    def without_updates(self) -> Self:
        """For frozen blocks: they are run as the backbone has them."""
        return replace(self, patches=(), segments=(), frozen=None)

    def blocks(self) -> Sequence[nn.Module]:
        return blocks_of(self.module)
