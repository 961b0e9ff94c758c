"""Sequences of unlike length, end to end in a row and side by side in a grid; from one to the other and back.

The grid has a block for each group of sequences of like length: attention works on every place of a block, and in one
block for all, a single long sequence would make it work on many times the places that there are tokens.

Every token of the row stands once in the grid, and what stands behind a sequence's end is read by nobody. So both ways,
and both gradients, are plain gathers: what torch makes of an index, an addition that could meet a place twice, is slow.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

ANOTHER_BLOCK = {"cpu": 1 << 14}
"""Scores that another block must save to be worth its own calls; on two cores, 768 wide, a tenth of a millisecond."""
ELSEWHERE = 1 << 21

Buckets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Ragged:
    lengths: tuple[int, ...]
    groups: Buckets
    """The sequences of each block, by their number."""
    index: Int[Tensor, " places"]
    """Index into the row, block by block; 0 where a sequence is shorter than its block."""
    back: Int[Tensor, " tokens"]
    """Index into the places."""

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """Sequences and places of each."""
        return [(len(group), _longest(self.lengths, group)) for group in self.groups]

    @property
    def whole(self) -> bool:
        """All sequences are of one length, in one block: the row is the grid."""
        return len(self.groups) == 1 and len(self.back) == len(self.index)

    def unpacked(self, row: Float[Tensor, "tokens *size"]) -> list[Float[Tensor, "sequences time *size"]]:
        """By block."""
        flat = row if self.whole else _Unpacked.apply(row, self.index, self.back)  # type: ignore[no-untyped-call]
        sizes = [sequences * time for sequences, time in self.blocks]
        parts = flat.split(sizes) if len(sizes) > 1 else [flat]
        return [cast(Tensor, part.unflatten(0, shape)) for part, shape in zip(parts, self.blocks, strict=True)]

    def packed(self, blocks: Sequence[Float[Tensor, "sequences time *size"]]) -> Float[Tensor, "tokens *size"]:
        parts = [block.flatten(0, 1) for block in blocks]
        flat = torch.cat(parts) if len(parts) > 1 else parts[0]
        return flat if self.whole else cast(Tensor, _Packed.apply(flat, self.back))  # type: ignore[no-untyped-call]


def ragged_of(lengths: Sequence[int], device: torch.device, groups: Buckets | None = None) -> Ragged:
    """Without `groups`, all in one block."""
    groups = groups if groups is not None else (tuple(range(len(lengths))),)
    sizes = torch.tensor(lengths)
    starts = sizes.cumsum(0) - sizes
    index, inside = [], []
    for group in groups:
        own = list(group)
        time = torch.arange(_longest(lengths, group))
        within = time[None] < sizes[own][:, None]
        index.append(torch.where(within, starts[own][:, None] + time[None], 0).flatten())
        inside.append(within.flatten())
    places, read = torch.cat(index), torch.cat(inside).nonzero()[:, 0]
    back = torch.empty_like(read)
    back[places[read]] = read
    return Ragged(tuple(lengths), groups, places.to(device), back.to(device))


def buckets_of(lengths: Sequence[int], device: torch.device) -> Buckets:
    """The grouping for which attention costs least: `n * longest ** 2` scores for n sequences, and each block's calls.

    Sequences of neighbouring lengths share a block, so the best grouping cuts the sorted lengths into runs, and the
    best cuts of the first `end` lengths follow from those of fewer (dynamic programming over distinct lengths).
    """
    own_cost = ANOTHER_BLOCK.get(device.type, ELSEWHERE)
    counts = sorted(Counter(lengths).items())
    if sum(count * (counts[-1][0] ** 2 - length**2) for length, count in counts) <= own_cost:
        return (tuple(range(len(lengths))),)
    # costs[end]: of the `end` shortest lengths; cuts[end]: where the last of their blocks begins.
    costs, cuts = [0], [0]
    for end, (longest, _) in enumerate(counts, 1):
        sequences, best, cut = 0, None, 0
        for start in range(end - 1, -1, -1):
            sequences += counts[start][1]
            cost = costs[start] + sequences * longest**2 + own_cost
            if best is None or cost < best:
                best, cut = cost, start
        costs.append(cast(int, best))
        cuts.append(cut)
    # Read back from the longest lengths to the shortest.
    block_of: dict[int, int] = {}
    end, block = len(counts), 0
    while end:
        block_of |= {length: block for length, _ in counts[cuts[end] : end]}
        end, block = cuts[end], block + 1
    return tuple(tuple(i for i, length in enumerate(lengths) if block_of[length] == each) for each in range(block))


def _longest(lengths: Sequence[int], group: Sequence[int]) -> int:
    """Of a group's sequences; a block has a place even where none of them has a token."""
    return max(1, max((lengths[each] for each in group), default=0))


class _Unpacked(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, row: Tensor, index: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return row.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return grad.index_select(0, back), None, None


class _Packed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, flat: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        ctx.shape = flat.shape
        return flat.index_select(0, back)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (back,) = ctx.saved_tensors
        whole = grad.new_zeros(ctx.shape) if len(back) < ctx.shape[0] else torch.empty_like(grad)
        return whole.index_copy_(0, back, grad), None
