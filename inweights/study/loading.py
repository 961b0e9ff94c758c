"""The backbone of a study, loaded once and measured, and what it runs on."""

import os
import platform
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

from inweights import __version__, models
from inweights.meter import measure
from inweights.study.execute import Loaded


def load(name: str, dtype: str | None = None, device: str | None = None) -> Loaded:
    model, cost = measure(lambda: models.load(name, dtype, device))
    card = model.card
    environment = {
        "inweights": __version__,
        "python": platform.python_version(),
        **{library: version(library) for library in ("torch", "transformers", "peft")},
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


def _machine() -> str:
    return f"{_processor()}, {os.cpu_count()} cores, {platform.system()}"


def _processor() -> str:
    """As the kernel calls it; Python's own answer on Linux is its instruction set at best."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _threads() -> int:
    import torch

    return torch.get_num_threads()
