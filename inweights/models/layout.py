"""How the one row of a forward pass falls into trees, and who sees whom in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import NewType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inweights.models.base import Prefix, Tree

Layer = NewType("Layer", int)


@dataclass(frozen=True)
class Layout:
    """Made once for a forward pass, shared by its layers."""

    unpack: Int[Tensor, "trees time"]
    """Index into the row; 0 where a tree is shorter than the longest."""
    pack: Int[Tensor, " tokens"]
    """Index into trees * time."""
    depth: Int[Tensor, "trees time"]
    """Position of a token in its tree, the same for the first token of every branch."""
    seen: Bool[Tensor, "trees time time"] | None
    """Who sees whom; None where `causal` says it all."""
    causal: bool
    prefix: Prefix | None = None
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None
    """Where keys and values are put when this pass is to become a prefix."""
    masks: dict[tuple[str, int | None, torch.dtype], Tensor] = field(default_factory=dict)
    """Additive masks that layers have asked for already."""

    def near_mask(self, window: int | None, dtype: torch.dtype) -> Float[Tensor, "trees 1 time time"] | None:
        """What is added to scores inside a tree; None where `causal` says it all."""
        if window is not None and window >= self.depth.shape[1]:
            window = None
        if window is None and self.seen is None:
            return None
        key = ("near", window, dtype)
        if key not in self.masks:
            seen = self.seen if self.seen is not None else _ones(self.depth).tril()
            if window is not None:
                seen = seen & (self.depth[:, :, None] - self.depth[:, None, :] < window)
            self.masks[key] = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            self.masks[key].masked_fill_(~seen, -torch.inf)
            self.masks[key] = self.masks[key][:, None]
        return self.masks[key]

    def far_mask(self, window: int, keys: int, dtype: torch.dtype) -> Float[Tensor, "tokens keys"]:
        """What is added to scores of the row's tokens against the last `keys` tokens of the prefix.

        Finite where a token is out of reach: a token may see none of them, and then -inf would make its mean (of
        nothing) and every gradient through it not a number. Joined by log-sum-exp, it weighs exactly 0 all the same.
        """
        key = ("far", window, dtype)
        if key not in self.masks:
            distance = self.depth.flatten()[self.pack][:, None] + keys - torch.arange(keys, device=self.depth.device)
            mask = torch.zeros(distance.shape, dtype=dtype, device=distance.device)
            self.masks[key] = mask.masked_fill_(distance >= window, torch.finfo(dtype).min / 2)
        return self.masks[key]


def tree_layout(
    trees: Sequence[Tree],
    device: torch.device,
    prefix: Prefix | None = None,
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None,
) -> Layout:
    """Every token sees those before it, but for other branches of its tree."""
    unpack, pack, _ = _grid([len(tree) for tree in trees])
    depth = torch.zeros_like(unpack)
    seen = _ones(depth).tril() if any(tree.branches for tree in trees) else None
    for row, tree in enumerate(trees):
        depth[row, : len(tree)] = torch.tensor(positions(tree))
        if seen is not None:
            start = len(tree.stem)
            for branch in tree.branches:
                seen[row, start + len(branch) :, start : start + len(branch)] = False
                start += len(branch)
            # A padded row sees itself, so that its softmax is not empty; nobody reads it.
            seen[row].diagonal().fill_(True)
    seen = None if seen is None else seen.to(device)
    return Layout(unpack.to(device), pack.to(device), depth.to(device), seen, True, prefix, captured)


def bag_layout(lengths: Sequence[int], device: torch.device) -> Layout:
    """Every token sees all of its own sequence, as in an encoder."""
    unpack, pack, inside = _grid(lengths)
    depth = torch.arange(unpack.shape[1]).expand_as(unpack)
    seen = None if bool(inside.all()) else inside[:, None, :].expand(*inside.shape, inside.shape[1]).to(device)
    return Layout(unpack.to(device), pack.to(device), depth.to(device), seen, False)


def positions(tree: Tree) -> list[int]:
    """Every branch goes on where the stem ends."""
    stem = len(tree.stem)
    return [*range(stem), *(stem + i for branch in tree.branches for i in range(len(branch)))]


def _grid(lengths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    sizes = torch.tensor(lengths)
    time = torch.arange(int(sizes.max()))
    inside = time[None] < sizes[:, None]
    starts = sizes.cumsum(0) - sizes
    return torch.where(inside, starts[:, None] + time[None], 0), inside.flatten().nonzero()[:, 0], inside


def _ones(depth: Int[Tensor, "trees time"]) -> Bool[Tensor, "trees time time"]:
    return torch.ones(*depth.shape, depth.shape[1], dtype=torch.bool, device=depth.device)


_current: ContextVar[Layout | None] = ContextVar("layout", default=None)


@contextmanager
def laid_out(layout: Layout) -> Iterator[None]:
    """The layout that attention follows within; many architectures do not hand extra arguments down to attention."""
    token = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> Layout | None:
    return _current.get()
