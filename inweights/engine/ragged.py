"""Sequences of different lengths, from a row without padding to padded blocks for attention, and back.

A block holds sequences of similar length. Attention works on every place of a block, so that in one block for all, a
single long sequence would make it work on many times more places than there are tokens.

Every token of the row has exactly one place in the blocks, and the places after a sequence's end are never read. So both
directions and both gradients are plain gathers. The gradient that torch derives for indexing is an addition that allows
for repeated indices, and is slow.
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
"""Scores that another block must save to pay for its calls; on two cores, 768 wide, a tenth of a millisecond."""
ELSEWHERE = 1 << 21
"""The same on other devices, where a call costs as much as many more scores."""

Buckets = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Ragged:
    """Where each token of a row is in the blocks. `places` counts through all blocks, sequence after sequence."""

    lengths: tuple[int, ...]
    groups: Buckets
    """The sequences of each block, by their number in the row."""
    index: Int[Tensor, " places"]
    """For every place the token of the row that is there; 0 (any token) after a sequence's end."""
    back: Int[Tensor, " tokens"]
    """For every token of the row its place: `index[back] == arange(tokens)`."""

    @cached_property
    def blocks(self) -> list[tuple[int, int]]:
        """For each block the number of its sequences, and the places that each has."""
        return [(len(group), _longest(self.lengths, group)) for group in self.groups]

    @property
    def whole(self) -> bool:
        """All sequences have one length and one block: row and block hold the same numbers in the same order."""
        return len(self.groups) == 1 and len(self.back) == len(self.index)

    def unpacked(self, row: Float[Tensor, "tokens *size"]) -> list[Float[Tensor, "sequences time *size"]]:
        """From the row to the blocks."""
        flat = row if self.whole else _Unpacked.apply(row, self.index, self.back)  # type: ignore[no-untyped-call]
        sizes = [sequences * time for sequences, time in self.blocks]
        parts = flat.split(sizes) if len(sizes) > 1 else [flat]
        return [cast(Tensor, part.unflatten(0, shape)) for part, shape in zip(parts, self.blocks, strict=True)]

    def packed(self, blocks: Sequence[Float[Tensor, "sequences time *size"]]) -> Float[Tensor, "tokens *size"]:
        """From the blocks to the row."""
        parts = [block.flatten(0, 1) for block in blocks]
        flat = torch.cat(parts) if len(parts) > 1 else parts[0]
        return flat if self.whole else cast(Tensor, _Packed.apply(flat, self.back))  # type: ignore[no-untyped-call]


def ragged_of(lengths: Sequence[int], device: torch.device, groups: Buckets | None = None) -> Ragged:
    """Without `groups`, all sequences are in one block."""
    groups = groups if groups is not None else (tuple(range(len(lengths))),)
    sizes = torch.tensor(lengths)
    starts = sizes.cumsum(0) - sizes
    index, inside = [], []
    for group in groups:
        members = list(group)
        time = torch.arange(_longest(lengths, group))
        within = time[None] < sizes[members][:, None]
        index.append(torch.where(within, starts[members][:, None] + time[None], 0).flatten())
        inside.append(within.flatten())
    places, read = torch.cat(index), torch.cat(inside).nonzero()[:, 0]
    # The inverse of `index`, over the places that hold a token.
    back = torch.empty_like(read)
    back[places[read]] = read
    return Ragged(tuple(lengths), groups, places.to(device), back.to(device))


def buckets_of(lengths: Sequence[int], device: torch.device) -> Buckets:
    """The cheapest grouping for attention: `n * longest ** 2` scores for a block of n sequences, and a fixed cost a block.

    In the best grouping, blocks are intervals of the sorted lengths. The best cuts of the first `end` distinct lengths
    follow from the best cuts of fewer lengths (dynamic programming).
    """
    cost_of_a_block = ANOTHER_BLOCK.get(device.type, ELSEWHERE)
    counts = sorted(Counter(lengths).items())
    if sum(count * (counts[-1][0] ** 2 - length**2) for length, count in counts) <= cost_of_a_block:  # what one block wastes
        return (tuple(range(len(lengths))),)
    # costs[end]: the lowest cost of the `end` shortest lengths; cuts[end]: where the last block of that grouping begins.
    costs, cuts = [0], [0]
    for end, (longest, _) in enumerate(counts, 1):
        sequences, best, cut = 0, None, 0
        for start in range(end - 1, -1, -1):
            sequences += counts[start][1]
            cost = costs[start] + sequences * longest**2 + cost_of_a_block
            if best is None or cost < best:
                best, cut = cost, start
        costs.append(cast(int, best))
        cuts.append(cut)
    # The cuts are followed from the longest lengths back to the shortest.
    block_of: dict[int, int] = {}
    end, block = len(counts), 0
    while end:
        block_of |= {length: block for length, _ in counts[cuts[end] : end]}
        end, block = cuts[end], block + 1
    return tuple(tuple(i for i, length in enumerate(lengths) if block_of[length] == number) for number in range(block))


def _longest(lengths: Sequence[int], group: Sequence[int]) -> int:
    """The longest sequence of a group; at least 1, since a block of no places cannot be attended to."""
    return max(1, max((lengths[each] for each in group), default=0))


class _Unpacked(torch.autograd.Function):
    """Row to places. Places after a sequence's end take some token and have no gradient, as nothing reads them."""

    @staticmethod
    def forward(ctx: Any, row: Tensor, index: Tensor, back: Tensor) -> Tensor:
        ctx.save_for_backward(back)
        return row.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (back,) = ctx.saved_tensors
        return grad.index_select(0, back), None, None


class _Packed(torch.autograd.Function):
    """Places to row. The gradient of places after a sequence's end is 0."""

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
