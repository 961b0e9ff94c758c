"""How the one row of a forward pass falls into trees, and who sees whom in them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import NewType

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inweights.models.base import Prefix, Tree
from inweights.models.lanes import Lane
from inweights.models.packed_grid import Grid, Groups, grid_of, groups_of
from inweights.models.past import Past

Layer = NewType("Layer", int)


@dataclass(frozen=True)
class Span:
    """Consecutive tokens of the row, and what stands in front of all of them."""

    start: int
    stop: int
    prefix: Prefix


@dataclass(frozen=True)
class Layout:
    """Made once for a forward pass, shared by its layers."""

    queries: Grid
    """Where the row's tokens lie, tree by tree."""
    keys: Grid
    """The same of the tokens that may be seen; other ones than the queries in a block that is read at few of them."""
    depth: Int[Tensor, "trees queries"]
    """Position of a token in its tree, the same for the first token of every branch."""
    key_depth: Int[Tensor, "trees keys"]
    seen: Bool[Tensor, "trees queries keys"] | None
    """Who sees whom; None where `causal` says it all."""
    causal: bool
    """Where `seen` is None: every token sees those before it, or (False) all of its own sequence."""
    behind: tuple[Span, ...] = ()
    lanes: tuple[Lane, ...] = ()
    """The runs that train in this row, one after the other; empty where there is one."""
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None
    """Where keys and values are put when this pass is to become a prefix."""
    stops_at_keys: bool = False
    """A block is run for its keys and values alone; attention raises `KeysSeen`."""
    known: tuple[Tensor, Tensor] | None = None
    """Keys and values of all tokens, where the queries are but a few of them."""
    past: Past | None = None
    """Keys and values of each text so far, where the row has the newest token of each."""
    masks: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    """Additive masks that layers have asked for already."""

    @property
    def tokens(self) -> int:
        return len(self.queries.back)

    @cached_property
    def lane_of(self) -> Float[Tensor, "tokens lanes"]:
        """1 where a token is of a lane, else 0."""
        sizes = torch.tensor([lane.tokens for lane in self.lanes], device=self.depth.device)
        numbers = torch.arange(len(self.lanes), device=self.depth.device)
        return (numbers.repeat_interleave(sizes)[:, None] == numbers).float()

    @cached_property
    def by_lane(self) -> "Layout":
        """The same with each lane's trees in the blocks that they would have alone, one lane's after another's."""
        return self._in_groups(tuple(chain.from_iterable(self._groups_by_lane)))

    @cached_property
    def blocks_by_lane(self) -> list[range]:
        """Which blocks of `by_lane` are whose."""
        ends = [0, *accumulate(map(len, self._groups_by_lane))]
        return [range(*pair) for pair in pairwise(ends)]

    def near_mask(self, window: int | None, dtype: torch.dtype, block: int) -> Float[Tensor, "trees 1 queries keys"] | None:
        """What is added to scores inside the trees of a block; None where `causal` says it all."""
        group = self.keys.groups[block]
        far = self.key_depth.shape[1] if self.past else self.keys.blocks[block][1]
        if window is not None and window >= far:
            window = None
        whole = self.seen is None and (self.causal or all(self.keys.lengths[tree] == far for tree in group))
        if window is None and whole:
            return None
        key = ("near", window, dtype, block)
        if key not in self.masks:
            rows, times = list(group), self.queries.blocks[block][1]
            depth, key_depth = self.depth[rows, :times], self.key_depth[rows, :far]
            seen = self._seen(rows, times, far)
            if window is not None:
                seen = seen & (depth[:, :, None] - key_depth[:, None, :] < window)
            self.masks[key] = torch.zeros(seen.shape, dtype=dtype, device=seen.device)
            self.masks[key].masked_fill_(~seen, -torch.inf)
            self.masks[key] = self.masks[key][:, None]
        return self.masks[key]

    def far_mask(self, window: int, keys: int, span: Span, dtype: torch.dtype) -> Float[Tensor, "tokens keys"]:
        """What is added to scores of the span's tokens against the last `keys` tokens of its prefix.

        Finite where a token is out of reach: a token may see none of them, and then -inf would make its mean (of
        nothing) and every gradient through it not a number. Joined by log-sum-exp, it weighs exactly 0 all the same.
        """
        key = ("far", window, keys, span.start, dtype)
        if key not in self.masks:
            places = [row * self.depth.shape[1] + at for row, size in enumerate(self.queries.lengths) for at in range(size)]
            row = torch.tensor(places[span.start : span.stop], device=self.depth.device)
            depth = self.depth.flatten()[row]
            distance = depth[:, None] + keys - torch.arange(keys, device=depth.device)
            mask = torch.zeros(distance.shape, dtype=dtype, device=distance.device)
            self.masks[key] = mask.masked_fill_(distance >= window, torch.finfo(dtype).min / 2)
        return self.masks[key]

    def read_at(self, reads: Sequence[Sequence[int]], lanes: Sequence[Lane], known: tuple[Tensor, Tensor]) -> "Layout":
        """The layout of a block whose queries are some tokens of the row alone: `reads`, by tree, along the tree.

        What stands behind a prefix stays there.
        """
        device = self.depth.device
        queries = grid_of([len(each) for each in reads], device, self.keys.groups)
        places = torch.zeros((len(reads), max(map(len, reads))), dtype=torch.long)
        for row, each in enumerate(reads):
            places[row, : len(each)] = torch.tensor(each)
        places = places.to(device)
        if self.seen is None:
            seen = torch.arange(self.key_depth.shape[1], device=device) <= places[..., None]
        else:
            seen = self.seen.gather(1, places[..., None].expand(*places.shape, self.seen.shape[2]))
        ends = [0, *accumulate(map(len, reads))]
        starts = dict(zip(self._tree_starts(), ends, strict=True))
        behind = tuple(Span(starts[span.start], starts[span.stop], span.prefix) for span in self.behind)
        return replace(
            self,
            queries=queries,
            depth=self.depth.gather(1, places),
            seen=seen,
            causal=False,
            behind=behind,
            lanes=tuple(lanes),
            captured=None,
            known=known,
            masks={},
        )

    def row_of(self, reads: Sequence[Sequence[int]]) -> Int[Tensor, " reads"]:
        """Where in the row `reads` are: by tree, counted along the tree."""
        pairs = zip(self._tree_starts()[:-1], reads, strict=True)
        return torch.tensor([start + at for start, tree in pairs for at in tree], device=self.depth.device)

    def _tree_starts(self) -> list[int]:
        """Where each tree begins in the row, and where the last ends."""
        return [0, *accumulate(self.queries.lengths)]

    @cached_property
    def _groups_by_lane(self) -> list[Groups]:
        found, start = [], 0
        for lane in self.lanes:
            own = groups_of(self.keys.lengths[start : start + lane.trees], self.depth.device)
            found.append(tuple(tuple(start + tree for tree in group) for group in own))
            start += lane.trees
        return found

    def _in_groups(self, groups: Groups) -> "Layout":
        queries, keys = (grid_of(grid.lengths, self.depth.device, groups) for grid in (self.queries, self.keys))
        return replace(self, queries=queries, keys=keys, masks={})

    def _seen(self, group: Sequence[int], times: int, far: int) -> Bool[Tensor, "trees queries keys"]:
        """Who sees whom in some of the trees, as far as their block goes."""
        if self.seen is not None:
            return self.seen[group, :times, :far]
        places = torch.arange(far, device=self.depth.device)
        if self.causal:
            return (places <= places[:times, None]).expand(len(group), -1, -1)
        lengths = torch.tensor([self.keys.lengths[tree] for tree in group], device=self.depth.device)
        return (places < lengths[:, None])[:, None].expand(-1, times, -1)


def tree_layout(
    trees: Sequence[Tree],
    device: torch.device,
    prefixes: Sequence[Prefix | None] = (),
    lanes: Sequence[Lane] = (),
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None,
) -> Layout:
    """Every token sees those before it, but for other branches of its tree.

    `prefixes`: for each tree, or for none; trees behind the same one stand side by side.
    """
    lengths = [len(tree) for tree in trees]
    grid = grid_of(lengths, device, groups_of(lengths, device))
    depth = torch.zeros((len(trees), max(lengths)), dtype=torch.long)
    seen = _ones(depth, depth).tril() if any(tree.branches for tree in trees) else None
    for row, tree in enumerate(trees):
        depth[row, : len(tree)] = torch.tensor(positions(tree))
        if seen is not None:
            start = len(tree.stem)
            for branch in tree.branches:
                seen[row, start + len(branch) :, start : start + len(branch)] = False
                start += len(branch)
            # A padded row sees itself, so that its softmax is not empty; nobody reads it.
            seen[row].diagonal().fill_(True)
    seen, depth = None if seen is None else seen.to(device), depth.to(device)
    return Layout(grid, grid, depth, depth, seen, True, _spans(trees, prefixes), tuple(lanes), captured)


def step_layout(past: Past, before: Sequence[Prefix | None], device: torch.device) -> Layout:
    """One token of each text, behind what came before it in the text and the prefix in front of that."""
    grid = grid_of([1] * len(past.lengths), device)
    depth = torch.tensor(past.lengths, device=device)[:, None]
    key_depth = torch.arange(max(past.lengths) + 1, device=device).expand(len(past.lengths), -1)
    behind = _spans([Tree((0,))] * len(before), before)
    return Layout(grid, grid, depth, key_depth, key_depth[:, None] <= depth[:, None], False, behind, past=past)


def bag_layout(lengths: Sequence[int], device: torch.device, lanes: Sequence[Lane] = ()) -> Layout:
    """Every token sees all of its own sequence, as in an encoder."""
    grid = grid_of(lengths, device, groups_of(lengths, device))
    depth = torch.arange(max(lengths), device=device).expand(len(lengths), -1)
    return Layout(grid, grid, depth, depth, None, False, lanes=tuple(lanes))


def positions(tree: Tree) -> list[int]:
    """Every branch goes on where the stem ends."""
    stem = len(tree.stem)
    return [*range(stem), *(stem + i for branch in tree.branches for i in range(len(branch)))]


def _spans(trees: Sequence[Tree], prefixes: Sequence[Prefix | None]) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = 0
    for tree, prefix in zip(trees, prefixes, strict=False):
        stop = start + len(tree)
        if spans and spans[-1].prefix is prefix and spans[-1].stop == start:
            spans[-1] = Span(spans[-1].start, stop, spans[-1].prefix)
        elif prefix is not None:
            spans.append(Span(start, stop, prefix))
        start = stop
    return tuple(spans)


def _ones(queries: Int[Tensor, "trees queries"], keys: Int[Tensor, "trees keys"]) -> Bool[Tensor, "trees queries keys"]:
    return torch.ones(*queries.shape, keys.shape[1], dtype=torch.bool, device=queries.device)


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


def current_lanes() -> Sequence[Lane]:
    layout = current()
    return layout.lanes if layout else ()
