"""What a teacher said, kept on disk while it is asked: a run that is stopped does not ask again.

Targets are stored shard by shard, each under the digest of all that it follows from: the model, the context's tokens,
the queries' tokens, and what is kept of the answer. Nothing is looked up by a name that could come to mean another thing.
"""

import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from torch import Tensor

from inweights.models.base import LanguageModel
from inweights.scoring.queries import Queries

SHARD = 256
"""Queries in one."""
Tables = tuple[Tensor, ...]

_folder: ContextVar[Path | None] = ContextVar("shards", default=None)


@contextmanager
def kept_in(folder: Path) -> Iterator[None]:
    """Within, targets are looked for in the folder and kept there."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


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
    from safetensors.torch import load_file, save

    device = next(model.module.parameters()).device
    if path.exists():
        there = load_file(path)
        return tuple(there[name].to(device) for name in sorted(there))
    made = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(save({str(number): table.cpu().contiguous() for number, table in enumerate(made)}))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return made


def _name(model: LanguageModel, queries: Queries, what: str) -> str:
    card = model.card
    values = repr((card.digest, card.dtype, what, queries.prefix, queries.trees, queries.words))
    return f"{hashlib.sha256(values.encode()).hexdigest()[:24]}.safetensors"
