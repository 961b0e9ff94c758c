"""A teacher's targets, kept on disk while they are computed, so that a run that was stopped does not compute them again.

They are kept in shards, and depend on the model, the tokens of the context and of the queries, and on which part of the
distributions is kept.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from inweights.cache import Cache
from inweights.cache import Tables as KeptTables
from inweights.models.base import Backbone
from inweights.models.queries import Queries

SHARD = 256
"""Queries in one shard."""
Tables = tuple[Tensor, ...]


@dataclass
class Reused:
    """What the reused targets had cost when they were computed, whichever process computed them."""

    seconds: float = 0.0
    tokens: float = 0.0


_cache: ContextVar[tuple[Cache, Reused] | None] = ContextVar("target_cache", default=None)


@contextmanager
def kept_in(folder: Path) -> Iterator[Reused]:
    """Within, targets are read from the folder, or computed and kept there; gives a running total of what was reused."""
    reused = Reused()
    token = _cache.set((Cache(folder), reused))
    try:
        yield reused
    finally:
        _cache.reset(token)


def reused() -> tuple[float, float]:
    """Seconds and tokens of the targets reused so far. A resumed run adds them to its own costs."""
    cache = _cache.get()
    return (cache[1].seconds, cache[1].tokens) if cache else (0.0, 0.0)


def in_shards(
    model: Backbone, query_sets: Sequence[Queries], what: str, read: Callable[[Sequence[Queries]], list[Tables]]
) -> list[Tables]:
    """The tables that `read` gives for each set of queries, or those in the folder. `what` names their kind."""
    import torch

    kept = _cache.get()
    if kept is None:
        return read(query_sets)
    found = []
    for queries in query_sets:
        starts = range(0, len(queries.trees), SHARD)
        shards = [queries.at(range(start, min(start + SHARD, len(queries.trees)))) for start in starts]
        parts = [_shard(*kept, model, shard, what, read) for shard in shards]
        found.append(tuple(torch.cat(column) for column in zip(*parts, strict=True)))
    return found


def _shard(
    cache: Cache,
    reused: Reused,
    model: Backbone,
    queries: Queries,
    what: str,
    read: Callable[[Sequence[Queries]], list[Tables]],
) -> Tables:
    key = (model.card.digest, model.card.dtype, what, queries.prefix, queries.trees, queries.words)
    if found := cache.find(key, str(model.device)):
        reused.seconds += found.values["seconds"]
        reused.tokens += found.values["tokens"]
        return found.tensors
    # The cost is stored with the targets: the run that reuses them has to account for it.
    started, tokens = time.perf_counter(), model.counter.tokens
    [made] = read([queries])
    cost = {"seconds": time.perf_counter() - started, "tokens": model.counter.tokens - tokens}
    return cache.keep(key, KeptTables(made, cost)).tensors
