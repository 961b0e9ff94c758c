"""What an update is: the choice of the numbers that may change, and all that other parts have to know about it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from inweights.engine.swap import Swap
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.updates.peft_format import Stored, Target


@dataclass(frozen=True)
class Adapted:
    """A backbone with an update on, and the parameters that may change. The shared weights are never changed."""

    model: Backbone
    parameters: Mapping[str, nn.Parameter]
    """Private to this update. Those that replace a parameter of the backbone have its name, others have the name that
    PEFT would give them (`model.layers.0.self_attn.q_proj.lora_A.weight`). They are fp32 whatever the backbone's dtype,
    since steps of fine-tuning are smaller than the precision of bf16."""
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factor on the learning rate of a parameter; 1 for those not named."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """Share of the steps after which a parameter begins to train; 0 for those not named."""


@dataclass(frozen=True)
class Work:
    """What training with an update takes in addition to the backbone's passes, in counts, for forecasts."""

    numbers: int
    """Trained numbers: each has a gradient and the optimizer's state."""
    products: int = 0
    """Those that are weights of linear layers, whose gradient is a product over all tokens."""
    narrow: int = 0
    """Those that are factors of products with few columns, which are limited by memory bandwidth."""
    tokens: int = 0
    """Trained positions that go through all blocks in each forward pass."""
    kept: float = 1.0
    """Activations that the backward pass needs, as a share of those in full fine-tuning."""


@runtime_checkable
class Update(Protocol):
    """A frozen dataclass whose fields are its settings. Its docstring begins `Title (authors year, arXiv id): ...`."""

    @property
    def name(self) -> str:
        """As in `pbft+NAME`."""
        ...

    @property
    def stacks(self) -> bool:
        """Whether several runs can train in one pass: the update adds something to each token, and multiplies it with no
        weight of its own."""
        ...

    @property
    def schedule(self) -> Schedule:
        """The default schedule, for 16 to 64 labelled examples."""
        ...

    @property
    def peft(self) -> bool:
        """Whether PEFT reads the files of `stored`; the reference loader adds anything else with hooks."""
        ...

    @property
    def limits(self) -> str:
        """What a user of an export must know, as one sentence for its model card; "" for nothing."""
        ...

    def apply(self, model: Backbone, seed: int) -> Adapted:
        """Attach to `model` without changing it. Equal seeds give equal starts.

        Raises UserError with the reason where this backbone has nothing that it could train.
        """
        ...

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored | None:
        """The files of an adapter, `trained` named as in `target.module`; None where an export is a whole model.

        Raises UserError where no file format can hold it.
        """
        ...

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        """Values by parameter name, from the tensors of such a file."""
        ...

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """What it adds to which weight of the backbone, in that weight's layout, in fp32; None: it cannot be merged."""
        ...

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        """For forecasts; `parameters` may be on the meta device."""
        ...


def private_copies(model: Backbone, names: Sequence[str]) -> Adapted:
    """Private fp32 copies of the named parameters, which are in the place of the shared ones during forward passes."""
    shared = dict(model.module.named_parameters())
    # Tied weights have one name here, so that they have one copy and stay tied.
    copies = {name: nn.Parameter(shared[name].detach().to(torch.float32, copy=True)) for name in names}
    return Adapted(model.patched(Swap(model.module, copies)), copies)


def difference(model: Backbone, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Private copies minus the shared parameters that they replace."""
    shared = dict(model.module.named_parameters())
    copies = {name: copy for name, copy in parameters.items() if name in shared}
    return {name: copy.detach().float() - shared[name].detach().float() for name, copy in copies.items()}


def count(parameters: Mapping[str, Tensor]) -> int:
    return sum(each.numel() for each in parameters.values())


def trainable(model: Backbone) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter that an output depends on; not an encoder's pooler, since hidden states are read before it."""
    for name, parameter in model.module.named_parameters():
        if "pooler" not in name.split("."):
            yield name, parameter
