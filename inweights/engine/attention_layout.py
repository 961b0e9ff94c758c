"""How the one row of a forward pass is divided into trees: all that attention has to know about it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate, chain, pairwise

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from inweights.engine.kv_cache import KVCache
from inweights.engine.ragged import Buckets, Ragged, buckets_of, ragged_of
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Layer, Prefix


@dataclass(frozen=True)
class Span:
    """Consecutive tokens of the row that share a prefix; whole trees."""

    start: int
    stop: int
    prefix: Prefix


@dataclass(frozen=True)
class AttentionLayout:
    """Made once for a forward pass and shared by its layers.

    A row has every token once, tree after tree. Attention works on blocks (`Ragged`), in which trees stand side by side
    and have places up to the longest of them. Queries and keys are the same tokens, except in a last block that is run
    for the positions that are read (`read_at`).
    """

    queries: Ragged
    """The tokens of the row that ask, tree by tree."""
    keys: Ragged
    """The tokens that may be attended to; more than the queries in a last block."""
    position: Int[Tensor, "trees queries"]
    """Position of a token in its tree, the same for the first token of every branch."""
    key_position: Int[Tensor, "trees keys"]
    visible: Bool[Tensor, "trees queries keys"] | None
    """Which query may attend to which key; None where `causal` suffices."""
    causal: bool
    """Where `visible` is None: every token attends to those before it, or (False) to all of its own sequence."""
    prefix_spans: tuple[Span, ...] = ()
    """Which tokens have which prefix; tokens in no span have none."""
    segments: tuple[RunSegment, ...] = ()
    """The runs that train in this row, one after the other; empty where there is one."""
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None
    """Receives the keys and values of each layer, when this pass encodes a prefix or starts decoding."""
    stops_at_keys: bool = False
    """Attention raises `KeysReady`: the block is run only for its keys and values."""
    known: tuple[Tensor, Tensor] | None = None
    """Keys and values of all tokens, where only some tokens are queries."""
    cache: KVCache | None = None
    """Keys and values of each text so far, where the row has the newest token of each."""
    masks: dict[tuple[object, ...], Tensor] = field(default_factory=dict)
    """Additive masks made so far; layers with the same window share one."""

    @property
    def tokens(self) -> int:
        return len(self.queries.back)

    @cached_property
    def segment_of(self) -> Float[Tensor, "tokens segments"]:
        """1 where a token belongs to a run's segment, else 0."""
        sizes = torch.tensor([segment.tokens for segment in self.segments], device=self.position.device)
        numbers = torch.arange(len(self.segments), device=self.position.device)
        return (numbers.repeat_interleave(sizes)[:, None] == numbers).float()

    @cached_property
    def by_segment(self) -> "AttentionLayout":
        """The same with the trees of each run in the blocks that they would have if the run were alone, run after run.

        Dropout draws one mask per block, so that only then a run gets the mask that it would get alone.
        """
        return self._in_groups(tuple(chain.from_iterable(self._buckets_by_segment)))

    @cached_property
    def blocks_by_segment(self) -> list[range]:
        """The blocks of `by_segment` that belong to each run."""
        ends = [0, *accumulate(map(len, self._buckets_by_segment))]
        return [range(*pair) for pair in pairwise(ends)]

    def read_at(
        self, reads: Sequence[Sequence[int]], segments: Sequence[RunSegment], known: tuple[Tensor, Tensor]
    ) -> "AttentionLayout":
        """The layout of a block whose queries are only the tokens `reads`: positions in each tree, counted along it.

        The keys are still those of all tokens of the row (`known`).
        """
        device = self.position.device
        # The queries keep the trees' buckets: a bucket's queries meet exactly that bucket's keys.
        queries = ragged_of([len(positions) for positions in reads], device, self.keys.groups)
        places = torch.zeros((len(reads), max(map(len, reads))), dtype=torch.long)
        for tree, positions in enumerate(reads):
            places[tree, : len(positions)] = torch.tensor(positions)
        places = places.to(device)
        # A causal mask compares a query's place in its block with the keys' places. Here the queries have moved together,
        # so their visible keys are written out: from the places they came from, or as their rows of the table.
        if self.visible is None:
            visible = torch.arange(self.key_position.shape[1], device=device) <= places[..., None]
        else:
            visible = self.visible.gather(1, places[..., None].expand(*places.shape, self.visible.shape[2]))
        # A span begins and ends where trees do: bounds of trees in the row of all tokens become bounds of the same trees
        # in the row of reads.
        ends = [0, *accumulate(map(len, reads))]
        starts = dict(zip(self._tree_starts(), ends, strict=True))
        spans = tuple(Span(starts[span.start], starts[span.stop], span.prefix) for span in self.prefix_spans)
        return replace(
            self,
            queries=queries,
            position=self.position.gather(1, places),
            visible=visible,
            causal=False,
            prefix_spans=spans,
            segments=tuple(segments),
            captured=None,
            known=known,
            masks={},  # those made so far are for other queries
        )

    def row_of(self, reads: Sequence[Sequence[int]]) -> Int[Tensor, " reads"]:
        """Places in the row of `reads`, which are counted along each tree."""
        pairs = zip(self._tree_starts()[:-1], reads, strict=True)
        return torch.tensor([start + at for start, tree in pairs for at in tree], device=self.position.device)

    def _tree_starts(self) -> list[int]:
        """Where each tree begins in the row, and where the last one ends."""
        return [0, *accumulate(self.queries.lengths)]

    @cached_property
    def _buckets_by_segment(self) -> list[Buckets]:
        by_segment, start = [], 0
        for segment in self.segments:
            buckets = buckets_of(self.keys.lengths[start : start + segment.trees], self.position.device)
            by_segment.append(tuple(tuple(start + tree for tree in bucket) for bucket in buckets))
            start += segment.trees
        return by_segment

    def _in_groups(self, groups: Buckets) -> "AttentionLayout":
        queries, keys = (ragged_of(ragged.lengths, self.position.device, groups) for ragged in (self.queries, self.keys))
        return replace(self, queries=queries, keys=keys, masks={})
