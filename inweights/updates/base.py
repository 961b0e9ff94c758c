"""What an update is: the choice of which numbers may change."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from inweights.engine.swap import Swap
from inweights.models.base import LanguageModel


@dataclass(frozen=True)
class Adapted:
    """A backbone with an update on, and the parameters that may change. The shared weights stay as they were."""

    model: LanguageModel
    parameters: Mapping[str, nn.Parameter]
    """Private to this update. Named as in the backbone where they replace one of its parameters, else as PEFT would
    name them (`model.layers.0.self_attn.q_proj.lora_A.weight`). In fp32 whatever the backbone's dtype: steps of
    fine-tuning are smaller than what bf16 can tell apart."""
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factor on the learning rate of a parameter; 1 for those not named."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """Share of the steps after which a parameter begins to learn; 0 for those not named."""


@runtime_checkable
class Update(Protocol):
    """Settings are dataclass fields."""

    @property
    def name(self) -> str:
        """As in `pbft+NAME`."""
        ...

    @property
    def stacks(self) -> bool:
        """Several of its kind can train in one pass: it adds to what tokens get, and multiplies them with nothing new."""
        ...

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        """Attach to `model` without changing it. Equal seeds give equal starts.

        Raises UserError where this backbone has nothing for it to train, saying why.
        """
        ...


def private_copies(model: LanguageModel, names: Sequence[str]) -> Adapted:
    """The parameters of those names as copies of this update's own, in the place of the shared ones while it runs."""
    shared = dict(model.module.named_parameters())
    copies = {name: nn.Parameter(shared[name].detach().to(torch.float32, copy=True)) for name in names}
    return Adapted(model.patched(Swap(model.module, copies)), copies)


def trainable(model: LanguageModel) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter on the way to what is read off. An encoder's pooler is not: hidden states are read before it."""
    for name, parameter in model.module.named_parameters():
        if "pooler" not in name.split("."):
            yield name, parameter
