"""The backbone of a study, loaded once and measured, and what it runs on."""

import os
import platform
from importlib.metadata import version

from inweights import __version__, models
from inweights.meter import measure
from inweights.study.execute import Loaded


def load(name: str, dtype: str | None = None, device: str | None = None) -> Loaded:
    model, cost = measure(lambda: models.load(name, dtype, device))
    card = model.card
    environment = {
        "inweights": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in ("torch", "transformers")},
        "machine": _machine(),
        "threads": str(_threads()),
        "model digest": card.digest,
        "architecture": card.architecture,
        "parameters": f"{card.parameters:,}",
        "dtype": card.dtype,
        "device": card.device,
    }
    return Loaded(model, cost, environment)


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    return f"{cpu}, {os.cpu_count()} cores, {platform.system()}"


def _threads() -> int:
    import torch

    return torch.get_num_threads()
