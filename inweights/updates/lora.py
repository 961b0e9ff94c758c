"""Low-rank adaptation (Hu et al. 2021, arXiv 2106.09685)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.hooks import RemovableHandle

from inweights.models.base import LanguageModel, Patch
from inweights.models.contexts import hooked
from inweights.models.layout import current
from inweights.types import UserError
from inweights.updates.base import Adapted


@dataclass(frozen=True)
class LoRA:
    """W x + (alpha / rank) B A x, with W frozen and B zero at the start."""

    name = "lora"
    stacks = True
    rank: int = 8
    alpha: float = 16.0
    targets: str = "all-linear"
    """A regular expression searched for in module names, such as `q_proj|v_proj`, or `all-linear`: every linear layer
    but the LM head."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise UserError(f"a LoRA has a rank of at least 1, not {self.rank}")
        try:
            re.compile(self.targets)
        except re.error as error:
            raise UserError(f"LoRA targets {self.targets!r} are no regular expression: {error}") from error

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        layers = {name: layer for name, layer in linear_layers(model) if self._wanted(name)}
        if not layers:
            known = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name, _ in linear_layers(model)))
            raise UserError(
                f"LoRA targets {self.targets!r} match no linear layer of {model.card.architecture}; it has {known}"
            )
        generator = torch.Generator().manual_seed(seed)
        parameters: dict[str, nn.Parameter] = {}
        for name, layer in layers.items():
            inputs, outputs = shape(layer)
            a = torch.empty(self.rank, inputs)
            nn.init.kaiming_uniform_(a, a=5**0.5, generator=generator)  # as PEFT and microsoft/LoRA start it
            device = next(layer.parameters()).device
            parameters[f"{name}.lora_A.weight"] = nn.Parameter(a.to(device))
            parameters[f"{name}.lora_B.weight"] = nn.Parameter(torch.zeros(outputs, self.rank, device=device))
        return Adapted(model.patched(_Added(layers, parameters, self.alpha / self.rank)), parameters)

    def _wanted(self, name: str) -> bool:
        return self.targets == "all-linear" or re.search(self.targets, name) is not None

    def deltas(self, model: LanguageModel, parameters: Mapping[str, Tensor]) -> dict[str, Float[Tensor, "..."]]:
        """(alpha / rank) B A for every weight it adds to, by the weight's name and in its layout; fp32."""
        found = {}
        for name, layer in linear_layers(model):
            if f"{name}.lora_A.weight" in parameters:
                a, b = parameters[f"{name}.lora_A.weight"], parameters[f"{name}.lora_B.weight"]
                delta = self.alpha / self.rank * (b.detach().float() @ a.detach().float())
                found[f"{name}.weight"] = delta if isinstance(layer, nn.Linear) else delta.T
        return found


@dataclass(frozen=True)
class _Added:
    """The patch: forward hooks that add the low-rank product while it is on."""

    layers: Mapping[str, nn.Module]
    parameters: Mapping[str, nn.Parameter] = field(repr=False)
    scale: float

    def __call__(self) -> AbstractContextManager[None]:
        return hooked(self._hook(name, layer) for name, layer in self.layers.items())

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        added = [self, *(each for each in others if isinstance(each, _Added))]
        own = [(name, tensor.shape) for name, tensor in self.parameters.items()]
        alike = [each for each in added if [(n, t.shape) for n, t in each.parameters.items()] == own]
        if len(alike) <= len(others) or any(each.scale != self.scale for each in alike):
            return None
        return _AddedByLane(self.layers, tuple(each.parameters for each in alike), self.scale)

    def _hook(self, name: str, layer: nn.Module) -> RemovableHandle:
        a, b = _factors(self.parameters, name)

        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            return _plus(output, F.linear(inputs[0].to(a.dtype), a).flatten(0, -2), b, self.scale)

        return layer.register_forward_hook(add)


@dataclass(frozen=True)
class _AddedByLane:
    """The same of several runs in one row, each for its own tokens."""

    layers: Mapping[str, nn.Module]
    parameters: tuple[Mapping[str, nn.Parameter], ...] = field(repr=False)
    scale: float

    def __call__(self) -> AbstractContextManager[None]:
        return hooked(self._hook(name, layer) for name, layer in self.layers.items())

    def _hook(self, name: str, layer: nn.Module) -> RemovableHandle:
        factors = [_factors(each, name) for each in self.parameters]

        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            layout = current()
            assert layout is not None
            x = inputs[0].to(factors[0][0].dtype).flatten(0, -2)
            if x.is_cuda:
                # Two products whatever the number of lanes: each token's numbers for other lanes are put to 0.
                low = F.linear(x, torch.cat([a for a, _ in factors])).unflatten(1, (len(factors), -1))
                own = (low * layout.lane_of[..., None].to(low.dtype)).flatten(1)
                return _plus(output, own, torch.cat([b for _, b in factors], 1), self.scale)
            sizes = [lane.tokens for lane in layout.lanes]
            if output.dtype == x.dtype:
                whole: Any = _ByLane  # torch's `apply` has no types
                flat = whole.apply(output.flatten(0, -2), x, self.scale, sizes, *chain.from_iterable(factors))
                return cast(Tensor, flat).view(output.shape)
            added = [F.linear(piece, a) @ b.T for piece, (a, b) in zip(x.split(sizes), factors, strict=True)]
            return output + (self.scale * torch.cat(added)).view(output.shape).to(output.dtype)

        return layer.register_forward_hook(add)


class _ByLane(torch.autograd.Function):
    """Output + scale * x A^T B^T with the A and B of each lane for its stretch of rows; the output is changed in place.

    What torch would make of pieces put together again is a copy of the whole for each, forward and backward.
    """

    @staticmethod
    def forward(ctx: Any, output: Tensor, x: Tensor, scale: float, sizes: list[int], *factors: Tensor) -> Tensor:
        low = [piece @ a.T for piece, a in zip(x.split(sizes), factors[::2], strict=True)]
        for piece, each, b in zip(output.split(sizes), low, factors[1::2], strict=True):
            piece.addmm_(each, b.T, alpha=scale)
        ctx.scale, ctx.sizes = scale, sizes
        ctx.save_for_backward(x, torch.cat(low), *factors)
        ctx.mark_dirty(output)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, low, *factors = ctx.saved_tensors
        of_x = torch.empty_like(x) if ctx.needs_input_grad[1] else None
        found: list[Tensor] = []
        start = 0
        for size, a, b in zip(ctx.sizes, factors[::2], factors[1::2], strict=True):
            rows = slice(start, start + size)
            of_low = (grad[rows] @ b).mul_(ctx.scale)
            found += [of_low.T @ x[rows], (grad[rows].T @ low[rows]).mul_(ctx.scale)]
            if of_x is not None:
                torch.mm(of_low, a, out=of_x[rows])
            start += size
        return grad, of_x, None, None, *found


def _factors(parameters: Mapping[str, nn.Parameter], name: str) -> tuple[nn.Parameter, nn.Parameter]:
    return parameters[f"{name}.lora_A.weight"], parameters[f"{name}.lora_B.weight"]


def _plus(output: Tensor, low: Tensor, b: Tensor, scale: float) -> Tensor:
    """Output + scale * low B^T; in one pass over what the layer gave, which nothing has read yet, where dtypes allow."""
    if output.dtype == b.dtype:
        return output.flatten(0, -2).addmm_(low, b.T, alpha=scale).view(output.shape)
    return output + (scale * (low @ b.T)).to(output.dtype).view(output.shape)


def linear_layers(model: LanguageModel) -> Iterator[tuple[str, nn.Module]]:
    """Every linear layer but the LM head and an encoder's pooler, which nothing reads.

    GPT-2's `Conv1D` is one with its weight transposed.
    """
    head = cast(Any, model.module).get_output_embeddings() if model.card.family == "causal" else None
    for name, layer in model.module.named_modules():
        linear = isinstance(layer, nn.Linear) or type(layer).__name__ == "Conv1D"
        if linear and layer is not head and "pooler" not in name.split("."):
            yield name, layer


def shape(layer: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a linear layer."""
    rows, columns = cast(Tensor, layer.weight).shape
    return (columns, rows) if isinstance(layer, nn.Linear) else (rows, columns)
