"""Work that is kept: files named by a digest of all that they follow from, so that none is stale, each whole or absent."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from inweights.records import write_whole

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


@dataclass(frozen=True)
class Tables:
    """What one file holds."""

    tensors: "tuple[torch.Tensor, ...]"
    values: Any
    """As JSON."""


@dataclass(frozen=True)
class Cache:
    folder: Path

    def values(self, key: object, make: Callable[[], T]) -> T:
        """JSON values: those that were kept for `key`, or what `make` gives now."""
        path = self.folder / f"{digest(key)}.json"
        if path.is_file():
            found: T = json.loads(path.read_text(encoding="utf-8"))
            return found
        made = make()
        _write(path, json.dumps(made, ensure_ascii=False).encode())
        return made

    def tables(self, key: object, make: Callable[[], Tables]) -> Tables:
        """Tensors on the CPU with JSON values: those that were kept for `key`, or what `make` gives now."""
        return self.find(key) or self.keep(key, make())

    def find(self, key: object, device: str = "cpu") -> Tables | None:
        from safetensors import safe_open

        path = self._path(key)
        if not path.is_file():
            return None
        with safe_open(path, "pt", device=device) as file:
            tensors = tuple(file.get_tensor(name) for name in sorted(file.keys(), key=int))
            return Tables(tensors, json.loads(file.metadata()["values"]))

    def keep(self, key: object, made: Tables) -> Tables:
        from safetensors.torch import save

        named = {str(number): each.cpu().contiguous().clone() for number, each in enumerate(made.tensors)}
        _write(self._path(key), save(named, {"values": json.dumps(made.values)}))
        return made

    def _path(self, key: object) -> Path:
        return self.folder / f"{digest(key)}.safetensors"


def digest(key: object) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()[:24]


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
