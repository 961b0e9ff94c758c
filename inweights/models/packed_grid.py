"""Sequences of unlike length, end to end in a row and side by side in a grid; from one to the other and back.

Every token of the row stands once in the grid, and what stands behind a sequence's end is read by nobody. So both ways,
and both gradients, are plain gathers: what torch makes of an index, an addition that could meet a place twice, is slow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Grid:
    index: Int[Tensor, "sequences time"]
    """Index into the row; 0 where a sequence is shorter than the longest."""
    back: Int[Tensor, " tokens"]
    """Index into sequences * time."""
    lengths: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """All sequences are of one length: the row is the grid."""
        return len(self.back) == self.index.numel()

    def to(self, device: torch.device) -> "Grid":
        return Grid(self.index.to(device), self.back.to(device), self.lengths)

    def unpacked(self, row: Float[Tensor, "tokens *size"]) -> Float[Tensor, "sequences time *size"]:
        if self.whole:
            return cast(Tensor, row.unflatten(0, self.index.shape))
        return cast(Tensor, _Unpacked.apply(row, self.index, self.back))  # type: ignore[no-untyped-call]

    def packed(self, grid: Float[Tensor, "sequences time *size"]) -> Float[Tensor, "tokens *size"]:
        if self.whole:
            return grid.flatten(0, 1)
        return cast(Tensor, _Packed.apply(grid, self.back))  # type: ignore[no-untyped-call]


def grid_of(lengths: Sequence[int], device: torch.device) -> Grid:
    sizes = torch.tensor(lengths)
    time = torch.arange(int(sizes.max()))
    inside = time[None] < sizes[:, None]
    starts = sizes.cumsum(0) - sizes
    index = torch.where(inside, starts[:, None] + time[None], 0)
    return Grid(index.to(device), inside.flatten().nonzero()[:, 0].to(device), tuple(lengths))


class _Unpacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, row: Tensor, index: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return cast(Tensor, row.index_select(0, index.flatten()).unflatten(0, index.shape))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return grad.flatten(0, 1).index_select(0, back), None, None


class _Packed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, grid: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        ctx.shape = grid.shape
        return grid.flatten(0, 1).index_select(0, back)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (back,) = ctx.saved_tensors
        whole = grad.new_zeros((ctx.shape[0] * ctx.shape[1], *ctx.shape[2:]))
        return whole.index_copy_(0, back, grad).unflatten(0, ctx.shape[:2]), None
