"""How the one row of a forward pass falls into trees: what attention has to know of it."""

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
    """Consecutive tokens of the row that have the same prefix in front of them."""

    start: int
    stop: int
    prefix: Prefix


@dataclass(frozen=True)
class AttentionLayout:
    """Made once for a forward pass and shared by its layers."""

    queries: Ragged
    """Where the row's tokens lie, tree by tree."""
    keys: Ragged
    """Where the tokens lie that may be attended to; more than the queries in a block that is read at few positions."""
    position: Int[Tensor, "trees queries"]
    """Position of a token in its tree, the same for the first token of every branch."""
    key_position: Int[Tensor, "trees keys"]
    visible: Bool[Tensor, "trees queries keys"] | None
    """Which query may attend to which key; None where `causal` suffices."""
    causal: bool
    """Where `visible` is None: every token attends to those before it, or (False) to all of its own sequence."""
    behind: tuple[Span, ...] = ()
    segments: tuple[RunSegment, ...] = ()
    """The runs that train in this row, one after the other; empty where there is one."""
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None
    """Takes the keys and values of each layer when this pass makes a prefix."""
    stops_at_keys: bool = False
    """A block is run for its keys and values alone: attention raises `KeysReady`."""
    known: tuple[Tensor, Tensor] | None = None
    """Keys and values of all tokens, where the queries are but a few of them."""
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
        """The same with each run's trees in the blocks that they would have if the run were alone, run after run.

        Dropout draws by the size of a block, so only then does a run draw what it would alone.
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
        """The layout of a block whose queries are only the tokens `reads`: for each tree, counted along the tree.

        The keys stay those of the whole row (`known`), so queries and keys are two different raggeds from here on.
        """
        device = self.position.device
        # The queries keep the trees' buckets: a bucket's queries meet exactly that bucket's keys.
        queries = ragged_of([len(each) for each in reads], device, self.keys.groups)
        places = torch.zeros((len(reads), max(map(len, reads))), dtype=torch.long)
        for row, each in enumerate(reads):
            places[row, : len(each)] = torch.tensor(each)
        places = places.to(device)
        # `causal` compares places in a row with each other, and the queries no longer stand at theirs: their visible keys
        # have to be spelled out, either from their places or by taking their rows of the whole table.
        if self.visible is None:
            visible = torch.arange(self.key_position.shape[1], device=device) <= places[..., None]
        else:
            visible = self.visible.gather(1, places[..., None].expand(*places.shape, self.visible.shape[2]))
        # A prefix's span begins and ends where trees do, so it is moved from the trees' bounds in the row of all tokens
        # to the same trees' bounds in the row of the reads.
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
        """Places in the row of `reads`, which are counted along each tree."""
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
