"""What a teacher said, kept on disk while it is asked: a run that is stopped does not ask again.

Targets are stored shard by shard, each under the digest of all that it follows from: the model, the context's tokens,
the queries' tokens, and what is kept of the answer. Nothing is looked up by a name that could come to mean another thing.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.records import write_whole
from inweights.scoring.queries import Queries

SHARD = 256
"""Queries in one."""
Tables = tuple[Tensor, ...]

_folder: ContextVar[Path | None] = ContextVar("shards", default=None)
_spent = {"seconds": 0.0, "tokens": 0.0}
"""On shards that were found, by whoever made them; of this process's whole life."""


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Within, targets are looked for in the folder and kept there."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def reused() -> tuple[float, float]:
    """Seconds and tokens that the shards found so far have cost: a run that goes on with them has spent them too."""
    return _spent["seconds"], _spent["tokens"]


def in_shards(
    model: LanguageModel, asked: Sequence[Queries], what: str, read: Callable[[Sequence[Queries]], list[Tables]]
) -> list[Tables]:
    """What `read` gives for each set of queries; from the folder where it is there already. `what` names what is kept."""
    import torch

    folder = _folder.get()
    if folder is None:
        return read(asked)
    found = []
    for queries in asked:
        starts = range(0, len(queries.trees), SHARD)
        shards = [queries.at(range(start, min(start + SHARD, len(queries.trees)))) for start in starts]
        parts = [_kept(folder / _name(model, shard, what), model, partial(_first, read, shard)) for shard in shards]
        found.append(tuple(torch.cat(column) for column in zip(*parts, strict=True)))
    return found


def _first(read: Callable[[Sequence[Queries]], list[Tables]], shard: Queries) -> Tables:
    return read([shard])[0]


def _kept(path: Path, model: LanguageModel, make: Callable[[], Tables]) -> Tables:
    from safetensors import safe_open
    from safetensors.torch import save

    if path.exists():
        with safe_open(path, "pt", device=str(next(model.module.parameters()).device)) as file:
            for what, amount in file.metadata().items():
                _spent[what] += float(amount)
            return tuple(file.get_tensor(name) for name in sorted(file.keys()))
    started, tokens = time.perf_counter(), model.counter.tokens
    made = make()
    cost = {"seconds": str(time.perf_counter() - started), "tokens": str(model.counter.tokens - tokens)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, save({str(number): table.cpu().contiguous() for number, table in enumerate(made)}, cost))
    return made


def _name(model: LanguageModel, queries: Queries, what: str) -> str:
    card = model.card
    values = repr((card.digest, card.dtype, what, queries.prefix, queries.trees, queries.words))
    return f"{hashlib.sha256(values.encode()).hexdigest()[:24]}.safetensors"
