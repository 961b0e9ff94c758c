"""A teacher's targets, kept on disk while they are computed, so that a run that was stopped does not compute them again.

Targets are stored in shards, each under the digest of all that it depends on: the model, the context's tokens, the
queries' tokens, and which part of the distributions is kept. So a file never has to be invalidated.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from inweights.models.base import Backbone
from inweights.models.queries import Queries
from inweights.records import write_whole

SHARD = 256
"""Queries in one shard."""
Tables = tuple[Tensor, ...]


@dataclass
class Reused:
    """What the reused targets had cost when they were computed, whichever process computed them."""

    seconds: float = 0.0
    tokens: float = 0.0


_cache: ContextVar[tuple[Path, Reused] | None] = ContextVar("target_cache", default=None)


@contextmanager
def kept_in(folder: Path) -> Iterator[Reused]:
    """Within, targets are read from the folder, or computed and kept there; gives a running total of what was reused."""
    reused = Reused()
    token = _cache.set((folder, reused))
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

    cache = _cache.get()
    if cache is None:
        return read(query_sets)
    folder, found_cost = cache
    found = []
    for queries in query_sets:
        starts = range(0, len(queries.trees), SHARD)
        shards = [queries.at(range(start, min(start + SHARD, len(queries.trees)))) for start in starts]
        parts = [
            _kept(folder / _name(model, shard, what), model, partial(_first, read, shard), found_cost) for shard in shards
        ]
        found.append(tuple(torch.cat(column) for column in zip(*parts, strict=True)))
    return found


def _first(read: Callable[[Sequence[Queries]], list[Tables]], shard: Queries) -> Tables:
    return read([shard])[0]


def _kept(path: Path, model: Backbone, make: Callable[[], Tables], reused: Reused) -> Tables:
    from safetensors import safe_open
    from safetensors.torch import save

    if path.exists():
        with safe_open(path, "pt", device=str(model.device)) as file:
            cost = file.metadata()
            reused.seconds += float(cost["seconds"])
            reused.tokens += float(cost["tokens"])
            return tuple(file.get_tensor(name) for name in sorted(file.keys()))
    started, tokens = time.perf_counter(), model.counter.tokens
    made = make()
    cost = {"seconds": str(time.perf_counter() - started), "tokens": str(model.counter.tokens - tokens)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save({str(number): table.cpu().contiguous() for number, table in enumerate(made)}, cost))
    return made


def _name(model: Backbone, queries: Queries, what: str) -> str:
    card = model.card
    values = repr((card.digest, card.dtype, what, queries.prefix, queries.trees, queries.words))
    return f"{hashlib.sha256(values.encode()).hexdigest()[:24]}.safetensors"
