"""What an update is: the choice of which numbers may change, and all that others must know of it."""

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
    """A backbone with an update on, and the parameters that may change. The shared weights stay as they were."""

    model: Backbone
    parameters: Mapping[str, nn.Parameter]
    """Private to this update. Named as in the backbone where they replace one of its parameters, else as PEFT would
    name them (`model.layers.0.self_attn.q_proj.lora_A.weight`). In fp32 whatever the backbone's dtype: steps of
    fine-tuning are smaller than what bf16 can tell apart."""
    lr_scales: Mapping[str, float] = field(default_factory=dict)
    """Factor on the learning rate of a parameter; 1 for those not named."""
    starts: Mapping[str, float] = field(default_factory=dict)
    """Share of the steps after which a parameter begins to learn; 0 for those not named."""


@dataclass(frozen=True)
class Work:
    """What training with an update takes beside the backbone's own passes, in counts: rates are the machine's."""

    numbers: int
    """Trained: each has a gradient and the optimizer's state."""
    products: int = 0
    """Of these, weights of linear layers, whose gradient is a product over all tokens."""
    narrow: int = 0
    """Of these, factors of products with few columns, which wait for memory."""
    tokens: int = 0
    """Trained positions that pass through all blocks in each forward pass."""
    kept: float = 1.0
    """Share of the activations that the backward pass needs, of those that full fine-tuning needs."""


@runtime_checkable
class Update(Protocol):
    """A frozen dataclass whose fields are its settings. Its docstring begins `Title (authors year, arXiv id): ...`."""

    @property
    def name(self) -> str:
        """As in `pbft+NAME`."""
        ...

    @property
    def stacks(self) -> bool:
        """Several runs can train in one pass: the update adds to each token, and multiplies it with nothing new."""
        ...

    @property
    def schedule(self) -> Schedule:
        """The usual one, for 16 to 64 labelled examples."""
        ...

    @property
    def peft(self) -> bool:
        """Whether PEFT reads what `stored` gives; the reference loader puts anything else on with hooks."""
        ...

    @property
    def limits(self) -> str:
        """What a user of an export must know, as one sentence for its model card; "" for nothing."""
        ...

    def apply(self, model: Backbone, seed: int) -> Adapted:
        """Attach to `model` without changing it. Equal seeds give equal starts.

        Raises UserError where this backbone has nothing for it to train, saying why.
        """
        ...

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored | None:
        """The files of an adapter, `trained` named as in `target.module`; None where an export is a whole model.

        Raises UserError where no format has room for it.
        """
        ...

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        """Values by parameter name, from the tensors of such a file."""
        ...

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor] | None:
        """What it adds to which weight of the backbone, in that weight's layout, in fp32; None: it is no sum of weights."""
        ...

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        """For forecasts; `parameters` may be on the meta device."""
        ...


def private_copies(model: Backbone, names: Sequence[str]) -> Adapted:
    """The parameters of those names as copies of this update's own, in the place of the shared ones while it runs."""
    shared = dict(model.module.named_parameters())
    copies = {name: nn.Parameter(shared[name].detach().to(torch.float32, copy=True)) for name in names}
    return Adapted(model.patched(Swap(model.module, copies)), copies)


def difference(model: Backbone, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Private copies less the shared parameters they replace."""
    shared = dict(model.module.named_parameters())
    own = {name: each for name, each in parameters.items() if name in shared}
    return {name: each.detach().float() - shared[name].detach().float() for name, each in own.items()}


def count(parameters: Mapping[str, Tensor]) -> int:
    return sum(each.numel() for each in parameters.values())


def trainable(model: Backbone) -> Iterator[tuple[str, nn.Parameter]]:
    """Every parameter on the way to what is read off. An encoder's pooler is not: hidden states are read before it."""
    for name, parameter in model.module.named_parameters():
        if "pooler" not in name.split("."):
            yield name, parameter
