"""Products of linear layers in fp32 on a CPU, through the faster of the two libraries that torch has for them.

torch gives them to MKL, which has AVX2 kernels alone for processors that are not Intel's. oneDNN, which torch uses for
convolutions and for bf16, has AVX-512 kernels for every processor: 2.1 to 2.4 times as fast on an AMD EPYC (Zen 5).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

SMALLEST = 1 << 21
"""Multiplications below which oneDNN's preparations cost more than it saves."""


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x W^T + bias, differentiable once where oneDNN computes it."""
    if x.shape[:-1].numel() * weight.numel() < SMALLEST or not _serves(x, weight):
        return F.linear(x, weight, bias)
    trains = bias is not None and bias.requires_grad
    if torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad or trains):
        return cast(Tensor, _Product.apply(x, weight, bias))  # type: ignore[no-untyped-call]
    return _onednn(x, weight, bias)


@contextmanager
def fast_products(module: nn.Module) -> Iterator[None]:
    """Within, every plain linear layer computes `linear`, except where an update has put its own forward pass."""
    layers = [layer for layer in module.modules() if is_plain(layer)] if onednn_is_faster() else []
    for layer in layers:
        layer.forward = _forward_of(layer)
    try:
        yield
    finally:
        for layer in layers:
            del layer.forward


def is_plain(layer: nn.Module) -> bool:
    """Whether it does nothing but multiply and add a bias: others may, for example, round their inputs."""
    return (type(layer) is nn.Linear or type(layer).__name__ == "Conv1D") and "forward" not in vars(layer)


@cache
def onednn_is_faster() -> bool:
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        return False
    processor = Path("/proc/cpuinfo")
    return processor.is_file() and "AuthenticAMD" in processor.read_text()


def _serves(x: Tensor, weight: Tensor) -> bool:
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu"
    return plain and onednn_is_faster() and not torch.is_autocast_enabled("cpu")


def _forward_of(layer: nn.Module) -> Any:
    transposed = not isinstance(layer, nn.Linear)

    def forward(x: Tensor) -> Tensor:
        weight, bias = cast(Tensor, layer.weight), cast(Tensor | None, layer.bias)
        return linear(x, weight.T if transposed else weight, bias)

    return forward


def _onednn(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], ""))


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        # The inputs are needed for the weight's gradient alone, and most weights are frozen.
        ctx.save_for_backward(weight, x if ctx.needs_input_grad[1] else None)
        return _onednn(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        weight, x = ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        rows = grad.flatten(0, -2)
        return (
            linear(grad, weight.T) if of_x else None,
            linear(rows.T, x.flatten(0, -2).T) if of_weight else None,
            rows.sum(0) if of_bias else None,
        )
