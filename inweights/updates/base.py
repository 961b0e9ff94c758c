"""What an update is: the choice of which numbers may change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from torch import nn

from inweights.models.base import LanguageModel


@dataclass(frozen=True)
class Adapted:
    """A backbone with an update on, and the parameters that may change. The shared weights stay as they were."""

    model: LanguageModel
    parameters: Mapping[str, nn.Parameter]
    """Private to this update. Named as in the backbone where they replace one of its parameters, else as PEFT would
    name them (`model.layers.0.self_attn.q_proj.lora_A.weight`)."""
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factor on the learning rate of a parameter; 1 for those not named."""


@runtime_checkable
class Update(Protocol):
    """Settings are dataclass fields."""

    @property
    def name(self) -> str:
        """As in `pbft+NAME`."""
        ...

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        """Attach to `model` without changing it. Equal seeds give equal starts.

        Raises UserError where this backbone has nothing for it to train, saying why.
        """
        ...
