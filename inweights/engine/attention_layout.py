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

from inweights.engine.kv_cache import KVCache
from inweights.engine.ragged import Buckets, Ragged, buckets_of, ragged_of
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Prefix, Tree

Layer = NewType("Layer", int)


@dataclass(frozen=True)
class Span:
    """Consecutive tokens of the row, and what stands in front of all of them."""

    start: int
    stop: int
    prefix: Prefix


@dataclass(frozen=True)
class AttentionLayout:
    """Made once for a forward pass, shared by its layers."""

    queries: Ragged
    """Where the row's tokens lie, tree by tree."""
    keys: Ragged
    """The same of the tokens that may be seen; other ones than the queries in a block that is read at few of them."""
    position: Int[Tensor, "trees queries"]
    """Position of a token in its tree, the same for the first token of every branch."""
    key_position: Int[Tensor, "trees keys"]
    visible: Bool[Tensor, "trees queries keys"] | None
    """Who sees whom; None where `causal` says it all."""
    causal: bool
    """Where `seen` is None: every token sees those before it, or (False) all of its own sequence."""
    behind: tuple[Span, ...] = ()
    segments: tuple[RunSegment, ...] = ()
    """The runs that train in this row, one after the other; empty where there is one."""
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None
    """Where keys and values are put when this pass is to become a prefix."""
    stops_at_keys: bool = False
    """A block is run for its keys and values alone; attention raises `KeysReady`."""
    known: tuple[Tensor, Tensor] | None = None
    """Keys and values of all tokens, where the queries are but a few of them."""
    cache: KVCache | None = None
    """Keys and values of each text so far, where the row has the newest token of each."""
    masks: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    """Additive masks that layers have asked for already."""

    @property
    def tokens(self) -> int:
        return len(self.queries.back)

    @cached_property
    def segment_of(self) -> Float[Tensor, "tokens lanes"]:
        """1 where a token is of a lane, else 0."""
        sizes = torch.tensor([segment.tokens for segment in self.segments], device=self.position.device)
        numbers = torch.arange(len(self.segments), device=self.position.device)
        return (numbers.repeat_interleave(sizes)[:, None] == numbers).float()

    @cached_property
    def by_segment(self) -> "AttentionLayout":
        """The same with each lane's trees in the blocks that they would have alone, one lane's after another's."""
        return self._in_groups(tuple(chain.from_iterable(self._buckets_by_segment)))

    @cached_property
    def blocks_by_segment(self) -> list[range]:
        """Which blocks of `by_segment` are whose."""
        ends = [0, *accumulate(map(len, self._buckets_by_segment))]
        return [range(*pair) for pair in pairwise(ends)]

    def near_mask(self, window: int | None, dtype: torch.dtype, block: int) -> Float[Tensor, "trees 1 queries keys"] | None:
        """What is added to scores inside the trees of a block; None where `causal` says it all."""
        group = self.keys.groups[block]
        far = self.key_position.shape[1] if self.cache else self.keys.blocks[block][1]
        if window is not None and window >= far:
            window = None
        whole = self.visible is None and (self.causal or all(self.keys.lengths[tree] == far for tree in group))
        if window is None and whole:
            return None
        key = ("near", window, dtype, block)
        if key not in self.masks:
            rows, times = list(group), self.queries.blocks[block][1]
            position, key_position = self.position[rows, :times], self.key_position[rows, :far]
            visible = self._visible(rows, times, far)
            if window is not None:
                visible = visible & (position[:, :, None] - key_position[:, None, :] < window)
            self.masks[key] = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
            self.masks[key].masked_fill_(~visible, -torch.inf)
            self.masks[key] = self.masks[key][:, None]
        return self.masks[key]

    def far_mask(self, window: int, keys: int, span: Span, dtype: torch.dtype) -> Float[Tensor, "tokens keys"]:
        """What is added to scores of the span's tokens against the last `keys` tokens of its prefix.

        Finite where a token is out of reach: a token may see none of them, and then -inf would make its mean (of
        nothing) and every gradient through it not a number. Joined by log-sum-exp, it weighs exactly 0 all the same.
        """
        key = ("far", window, keys, span.start, dtype)
        if key not in self.masks:
            places = [
                row * self.position.shape[1] + at for row, size in enumerate(self.queries.lengths) for at in range(size)
            ]
            row = torch.tensor(places[span.start : span.stop], device=self.position.device)
            position = self.position.flatten()[row]
            distance = position[:, None] + keys - torch.arange(keys, device=position.device)
            mask = torch.zeros(distance.shape, dtype=dtype, device=distance.device)
            self.masks[key] = mask.masked_fill_(distance >= window, torch.finfo(dtype).min / 2)
        return self.masks[key]

    def read_at(
        self, reads: Sequence[Sequence[int]], segments: Sequence[RunSegment], known: tuple[Tensor, Tensor]
    ) -> "AttentionLayout":
        """The layout of a block whose queries are some tokens of the row alone: `reads`, by tree, along the tree.

        What stands behind a prefix stays there.
        """
        device = self.position.device
        queries = ragged_of([len(each) for each in reads], device, self.keys.groups)
        places = torch.zeros((len(reads), max(map(len, reads))), dtype=torch.long)
        for row, each in enumerate(reads):
            places[row, : len(each)] = torch.tensor(each)
        places = places.to(device)
        if self.visible is None:
            visible = torch.arange(self.key_position.shape[1], device=device) <= places[..., None]
        else:
            visible = self.visible.gather(1, places[..., None].expand(*places.shape, self.visible.shape[2]))
        ends = [0, *accumulate(map(len, reads))]
        starts = dict(zip(self._tree_starts(), ends, strict=True))
        behind = tuple(Span(starts[span.start], starts[span.stop], span.prefix) for span in self.behind)
        return replace(
            self,
            queries=queries,
            position=self.position.gather(1, places),
            visible=visible,
            causal=False,
            behind=behind,
            segments=tuple(segments),
            captured=None,
            known=known,
            masks={},
        )

    def row_of(self, reads: Sequence[Sequence[int]]) -> Int[Tensor, " reads"]:
        """Where in the row `reads` are: by tree, counted along the tree."""
        pairs = zip(self._tree_starts()[:-1], reads, strict=True)
        return torch.tensor([start + at for start, tree in pairs for at in tree], device=self.position.device)

    def _tree_starts(self) -> list[int]:
        """Where each tree begins in the row, and where the last ends."""
        return [0, *accumulate(self.queries.lengths)]

    @cached_property
    def _buckets_by_segment(self) -> list[Buckets]:
        found, start = [], 0
        for segment in self.segments:
            own = buckets_of(self.keys.lengths[start : start + segment.trees], self.position.device)
            found.append(tuple(tuple(start + tree for tree in group) for group in own))
            start += segment.trees
        return found

    def _in_groups(self, groups: Buckets) -> "AttentionLayout":
        queries, keys = (ragged_of(grid.lengths, self.position.device, groups) for grid in (self.queries, self.keys))
        return replace(self, queries=queries, keys=keys, masks={})

    def _visible(self, group: Sequence[int], times: int, far: int) -> Bool[Tensor, "trees queries keys"]:
        """Who sees whom in some of the trees, as far as their block goes."""
        if self.visible is not None:
            return self.visible[group, :times, :far]
        places = torch.arange(far, device=self.position.device)
        if self.causal:
            return (places <= places[:times, None]).expand(len(group), -1, -1)
        lengths = torch.tensor([self.keys.lengths[tree] for tree in group], device=self.position.device)
        return (places < lengths[:, None])[:, None].expand(-1, times, -1)


def tree_layout(
    trees: Sequence[Tree],
    device: torch.device,
    prefixes: Sequence[Prefix | None] = (),
    segments: Sequence[RunSegment] = (),
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None,
) -> AttentionLayout:
    """Every token sees those before it, but for other branches of its tree.

    `prefixes`: for each tree, or for none; trees behind the same one stand side by side.
    """
    lengths = [len(tree) for tree in trees]
    grid = ragged_of(lengths, device, buckets_of(lengths, device))
    position = torch.zeros((len(trees), max(lengths)), dtype=torch.long)
    visible = _ones(position, position).tril() if any(tree.branches for tree in trees) else None
    for row, tree in enumerate(trees):
        position[row, : len(tree)] = torch.tensor(positions(tree))
        if visible is not None:
            start = len(tree.stem)
            for branch in tree.branches:
                visible[row, start + len(branch) :, start : start + len(branch)] = False
                start += len(branch)
            # A padded row sees itself, so that its softmax is not empty; nobody reads it.
            visible[row].diagonal().fill_(True)
    visible, position = None if visible is None else visible.to(device), position.to(device)
    return AttentionLayout(grid, grid, position, position, visible, True, _spans(trees, prefixes), tuple(segments), captured)


def step_layout(cache: KVCache, before: Sequence[Prefix | None], device: torch.device) -> AttentionLayout:
    """One token of each text, behind what came before it in the text and the prefix in front of that."""
    grid = ragged_of([1] * len(cache.lengths), device)
    position = torch.tensor(cache.lengths, device=device)[:, None]
    key_position = torch.arange(max(cache.lengths) + 1, device=device).expand(len(cache.lengths), -1)
    behind = _spans([Tree((0,))] * len(before), before)
    return AttentionLayout(
        grid, grid, position, key_position, key_position[:, None] <= position[:, None], False, behind, cache=cache
    )


def bidirectional_layout(
    lengths: Sequence[int], device: torch.device, segments: Sequence[RunSegment] = ()
) -> AttentionLayout:
    """Every token sees all of its own sequence, as in an encoder."""
    grid = ragged_of(lengths, device, buckets_of(lengths, device))
    position = torch.arange(max(lengths), device=device).expand(len(lengths), -1)
    return AttentionLayout(grid, grid, position, position, None, False, segments=tuple(segments))


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


_current: ContextVar[AttentionLayout | None] = ContextVar("layout", default=None)


@contextmanager
def laid_out(layout: AttentionLayout) -> Iterator[None]:
    """The layout that attention follows within; many architectures do not hand extra arguments down to attention."""
    token = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> AttentionLayout | None:
    return _current.get()


def current_segments() -> Sequence[RunSegment]:
    layout = current()
    return layout.segments if layout else ()
