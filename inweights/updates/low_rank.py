"""A linear layer with LoRA: W x + scale * B A x, for one run or for several in one row.

The products with A and B are small beside the product with W: what they cost is reading and writing memory. So base and
low rank are one function with its own backward pass. Each tensor is written once and added to in place, and each small
product is transposed so that its 8 or so columns are contiguous in memory: 4 to 5 times faster on a CPU.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from inweights.engine.current_layout import current
from inweights.engine.products import is_plain, linear
from inweights.engine.swap import forward_again

Factors = Sequence[tuple[nn.Parameter, nn.Parameter]]
"""A and B of each run."""


@contextmanager
def added(layers: Mapping[str, nn.Module], factors: Mapping[str, Factors], scale: float) -> Iterator[None]:
    """Within, each layer adds the product of its factors; with several runs, each run's to the tokens of its segment."""
    before = {name: vars(layer).get("forward") for name, layer in layers.items()}
    for name, layer in layers.items():
        layer.forward = _with(layer, factors[name], scale, is_plain(layer))
    try:
        yield
    finally:
        for name, layer in layers.items():
            forward_again(layer, before[name])


def _with(layer: nn.Module, factors: Factors, scale: float, one_function: bool) -> Any:
    base, transposed = layer.forward, not isinstance(layer, nn.Linear)

    def forward(x: Tensor) -> Tensor:
        weight, bias = cast(Tensor, layer.weight), cast(Tensor | None, layer.bias)
        a = factors[0][0]
        # `_LowRank` computes no gradients of W and bias, knows one dtype, and on a GPU one run: there the small products
        # of several runs are better joined into two (`_added`).
        trained = weight.requires_grad or (bias is not None and bias.requires_grad)
        simple = x.dtype == weight.dtype == a.dtype and not torch.is_autocast_enabled(x.device.type)
        if not one_function or trained or not simple or (x.is_cuda and len(factors) > 1):
            return _added(base(x), x.to(a.dtype).flatten(0, -2), factors, scale)
        rows = x.flatten(0, -2)  # architectures pass tokens x size or 1 x tokens x size
        whole: Any = _LowRank  # torch's `apply` has no types
        of_inputs = weight.T if transposed else weight
        out = whole.apply(rows, of_inputs, bias, scale, _sizes(rows, factors), *chain.from_iterable(factors))
        return cast(Tensor, out.unflatten(0, x.shape[:-1]))

    return forward


class _LowRank(torch.autograd.Function):
    """x W^T + bias + scale * x A^T B^T, with the A and B of each run for its rows of x. W and bias are frozen.

    x is tokens x inputs and W outputs x inputs; A is rank x inputs and B outputs x rank.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, scale: float, sizes: list[int], *factors: Tensor
    ) -> Tensor:
        out = linear(x, weight, bias)
        # x A^T is kept for the gradient of B, transposed: the tokens are contiguous.
        low = [a @ piece.T for piece, a in zip(x.split(sizes), factors[::2], strict=True)]  # rank x tokens
        for piece, each, b in zip(out.split(sizes), low, factors[1::2], strict=True):
            piece.addmm_(each.T, b.T, alpha=scale)
        ctx.scale, ctx.sizes = scale, sizes
        ctx.save_for_backward(x, weight, *low, *factors)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, weight, *others = ctx.saved_tensors
        low, factors = others[: len(ctx.sizes)], others[len(ctx.sizes) :]
        # Order of the results: x, weight, bias, scale, sizes, then A and B of each run.
        of_x = linear(grad, weight.T) if ctx.needs_input_grad[0] else None
        of_factors: list[Tensor] = []
        start = 0
        for size, low_of_run, a, b in zip(ctx.sizes, low, factors[::2], factors[1::2], strict=True):
            rows = slice(start, start + size)
            of_low = (b.T @ grad[rows].T).mul_(ctx.scale)  # rank x tokens
            of_factors += [of_low @ x[rows], (low_of_run @ grad[rows]).mul_(ctx.scale).T]
            if of_x is not None:
                of_x[rows].addmm_(of_low.T, a)
            start += size
        return of_x, None, None, None, None, *of_factors


def _added(output: Tensor, x: Tensor, factors: Factors, scale: float) -> Tensor:
    """The same after a layer of any kind and dtype, with gradients by torch."""
    if len(factors) == 1:
        return _plus(output, F.linear(x, factors[0][0]), factors[0][1], scale)
    if x.is_cuda:
        # Two products whatever the number of runs: x with the A of all runs, in which each token keeps only the numbers of
        # its run, and that with the B of all runs.
        layout = current()
        assert layout is not None
        low = F.linear(x, torch.cat([a for a, _ in factors])).unflatten(1, (len(factors), -1))
        masked = (low * layout.segment_of[..., None].to(low.dtype)).flatten(1)
        return _plus(output, masked, torch.cat([b for _, b in factors], 1), scale)
    pieces = x.split(_sizes(x, factors))
    low = torch.cat([F.linear(piece, a) @ b.T for piece, (a, b) in zip(pieces, factors, strict=True)])
    return output + (scale * low).view(output.shape).to(output.dtype)


def _plus(output: Tensor, low: Tensor, b: Tensor, scale: float) -> Tensor:
    """Output + scale * low B^T; as one operation where the dtypes are the same."""
    if output.dtype == b.dtype:
        return output.flatten(0, -2).addmm_(low, b.T, alpha=scale).view(output.shape)
    return output + (scale * (low @ b.T)).to(output.dtype).view(output.shape)


def _sizes(rows: Tensor, factors: Factors) -> list[int]:
    """The number of rows of each run."""
    if len(factors) == 1:
        return [len(rows)]
    layout = current()
    assert layout is not None
    return [segment.tokens for segment in layout.segments]
