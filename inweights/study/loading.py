"""The backbone of a study, loaded once and measured, and its environment."""

import os
import platform
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from inweights import models
from inweights.meter import measure
from inweights.models.base import Backbone
from inweights.study.planned import Loaded
from inweights.types import Weights


def loader(device: str | None, models: Mapping[Weights, Backbone] | None = None) -> Callable[[Weights], Loaded]:
    """Loads a study's models on the device; those of `models` are in memory already."""

    def loaded(weights: Weights) -> Loaded:
        there = (models or {}).get(weights)
        return load(weights, device) if there is None else _measured(lambda: there)

    return loaded


def load(weights: Weights, device: str | None = None) -> Loaded:
    return _measured(lambda: backbone(weights, device))


def _measured(read: Callable[[], Backbone]) -> Loaded:
    model, cost = measure(read)
    card = model.card
    environment = {
        "python": platform.python_version(),
        **{library: version(library) for library in ("inweights", "torch", "transformers", "peft")},
        "machine": _machine(),
        "threads": str(_threads()),
        "model digest": card.digest,
        "architecture": card.architecture,
        "parameters": f"{card.parameters:,}",
        "dtype": card.dtype,
        "device": card.device,
        "attention": card.attention,
    }
    return Loaded(model, cost, environment)


def backbone(weights: Weights, device: str | None = None) -> Backbone:
    """The weights in memory. Raises UserError where they cannot be loaded."""
    return models.load(str(weights), device=device)


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"


def _processor() -> str:
    """The processor's name by the kernel; Python itself only knows the instruction set on Linux."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> int:
    import torch

    return torch.get_num_threads()
