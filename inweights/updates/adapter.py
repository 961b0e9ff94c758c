"""Bottleneck adapters after the sub-layers of every block."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from inweights.engine.current_layout import current
from inweights.engine.switches import hooked
from inweights.engine.trees import Patch
from inweights.models.architecture import Linear
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count
from inweights.updates.peft_format import Stored, Target

ACTIVATIONS: Mapping[str, Callable[[Tensor], Tensor]] = {"gelu": F.gelu, "relu": F.relu, "silu": F.silu}
PARTS = ("down.weight", "down.bias", "up.weight", "up.bias")


@dataclass(frozen=True)
class Adapter:
    """Bottleneck adapters (Houlsby et al. 2019, arXiv 1902.00751): h + U f(D h + d) + u, with U and u zero at the start.

    h is the output of a sub-layer, before its norm and residual.
    """

    name = "adapter"
    stacks = True
    schedule = Schedule(lr=1e-3, epochs=20, batch_size=8, stop_loss=0.01)
    peft = False
    limits = "PEFT has no such adapters, and they merge into no weights: the code above adds them with hooks."
    size: int = 64
    """Width of the bottleneck."""
    placement: Literal["houlsby", "pfeiffer"] = "houlsby"
    """After attention and feed-forward, or after feed-forward alone (Pfeiffer et al. 2020, arXiv 2005.00247)."""
    activation: Literal["gelu", "relu", "silu"] = "gelu"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise UserError(f"expected an adapter's bottleneck of size 1 or more, not {self.size}")

    def apply(self, model: Backbone, seed: int) -> Adapted:
        layers = {name: layer for pair in ends_of_sublayers(model) for name, layer in self._chosen(pair).items()}
        device = model.device
        generator = torch.Generator().manual_seed(seed)
        parameters: dict[str, nn.Parameter] = {}
        for name, layer in layers.items():  # a fixed order, so that equal seeds give equal starts
            width = layer.outputs
            down = torch.empty(self.size, width)
            nn.init.kaiming_uniform_(down, a=5**0.5, generator=generator)  # as torch starts a linear layer
            start = (down, torch.zeros(self.size), torch.zeros(width, self.size), torch.zeros(width))
            for part, tensor in zip(PARTS, start, strict=True):
                parameters[f"{name}.adapter.{part}"] = nn.Parameter(tensor.to(device))
        modules = {name: layer.module for name, layer in layers.items()}
        return Adapted(model.patched(_Bottlenecks(modules, (parameters,), self.activation)), parameters)

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        return Stored(trained, file="adapters.safetensors")

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return stored

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> None:
        return None

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        # Without gradients of backbone weights, a block keeps about three quarters of its activations.
        return Work(count(parameters), narrow=count(parameters), kept=0.75)

    def _chosen(self, pair: tuple[dict[str, Linear], dict[str, Linear]]) -> dict[str, Linear]:
        attention, feedforward = pair
        return attention | feedforward if self.placement == "houlsby" else feedforward


def ends_of_sublayers(model: Backbone) -> list[tuple[dict[str, Linear], dict[str, Linear]]]:
    """For every block the last layer of its attention and the last of its feed-forward sub-layer, by name.

    They are found by structure: the output of a sub-layer is as wide as the block, and only attention has "att" in its name.
    Raises UserError where a block does not have one of each.
    """
    card, width, linear = model.card, int(model.config.hidden_size), model.linear_layers()
    ends = []
    for block in model.blocks():
        inside = {id(module) for module in block.modules()}
        # Widths alone do not tell a gate of a mixture of experts from the end of a sub-layer, so experts are refused.
        wide = {name: layer for name, layer in linear.items() if id(layer.module) in inside and layer.outputs == width}
        attention = [name for name in wide if "att" in name.lower()]
        feedforward = [name for name in wide if name not in attention]
        if not attention or not feedforward or any("expert" in name for name, _ in block.named_modules()):
            raise UserError(
                f"{card.architecture} does not have one attention and one feed-forward layer in every block: take lora"
            )
        # Layers come in the order of the forward pass, so the last one is the end of the sub-layer.
        ends.append(({attention[-1]: wide[attention[-1]]}, {feedforward[-1]: wide[feedforward[-1]]}))
    return ends


@dataclass(frozen=True)
class _Bottlenecks:
    """The patch: forward hooks, of one run or of several in one row."""

    layers: Mapping[str, nn.Module]
    parameters: tuple[Mapping[str, nn.Parameter], ...] = field(repr=False)
    activation: str

    def __call__(self) -> AbstractContextManager[None]:
        return hooked(self._hook(name, layer) for name, layer in self.layers.items())

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        patches = [self, *(patch for patch in others if isinstance(patch, _Bottlenecks))]
        alike = [patch for patch in patches if patch._kind() == self._kind()]
        if len(alike) <= len(others):
            return None
        return _Bottlenecks(self.layers, tuple(run for patch in alike for run in patch.parameters), self.activation)

    def _kind(self) -> tuple[object, ...]:
        return self.activation, [(name, tensor.shape) for name, tensor in self.parameters[0].items()]

    def _hook(self, name: str, layer: nn.Module) -> RemovableHandle:
        segments = [[each[f"{name}.adapter.{part}"] for part in PARTS] for each in self.parameters]

        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            states = output.to(segments[0][0].dtype).flatten(0, -2)
            pieces = states.split(_sizes(len(states), len(segments)))
            # Each run's bottleneck reads the tokens of its segment only.
            added = [self._through(piece, *parts) for piece, parts in zip(pieces, segments, strict=True)]
            return output + torch.cat(added).view(output.shape).to(output.dtype)

        return layer.register_forward_hook(add)

    def _through(self, states: Tensor, down: Tensor, low_bias: Tensor, up: Tensor, bias: Tensor) -> Tensor:
        return F.linear(ACTIVATIONS[self.activation](F.linear(states, down, low_bias)), up, bias)


def _sizes(tokens: int, segments: int) -> list[int]:
    """The number of tokens of each run."""
    if segments == 1:
        return [tokens]
    layout = current()
    assert layout is not None
    return [segment.tokens for segment in layout.segments]
