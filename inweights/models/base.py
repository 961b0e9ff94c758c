"""The third of three contracts, each of which contains the one before: a model that updates can train on."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Patch
from inweights.models.architecture import Linear
from inweights.models.token_model import TokenModel


@runtime_checkable
class Backbone(TokenModel, Protocol):
    """A model with weights that an update can be trained on. It is a value: `patched` gives another view of the weights."""

    @property
    def module(self) -> nn.Module:
        """The transformers model, in which updates find their parameters."""
        ...

    @property
    def config(self) -> Any:
        """transformers' configuration of the text model."""
        ...

    @property
    def packs(self) -> bool:
        """Whether its attention is ours, so that trees are packed in one row after shared prefixes. Else it reads whole
        padded prompts."""
        ...

    @property
    def patches(self) -> tuple[Patch, ...]:
        """The updates that are on."""
        ...

    @property
    def input_embeddings(self) -> nn.Module: ...

    @property
    def output_embeddings(self) -> nn.Module | None:
        """The LM head; None in a family without one."""
        ...

    def patched(self, patch: Patch) -> "Backbone":
        """The same backbone with one more update on."""
        ...

    def stacked(self, patches: Sequence[Patch], segments: Sequence[RunSegment]) -> "Backbone":
        """The same backbone with the updates of several runs on, each for the tokens of its own segment of a row."""
        ...

    def training_view(self, frozen: FrozenBlocks | None, checkpointing: bool) -> "Backbone":
        """The same backbone with the outputs that `frozen` keeps in the place of its first blocks. `checkpointing`: the
        backward pass runs the other blocks again."""
        ...

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, first to last."""
        ...

    def linear_layers(self) -> Mapping[str, Linear]:
        """Every linear layer by its module's name, without the LM head and an encoder's pooler, which nothing reads."""
        ...
