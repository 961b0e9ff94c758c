"""What a measurement was made on: device, versions, cores."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

import torch

PACKAGES = ("torch", "transformers", "peft", "accelerate", "lm_eval", "trl")


def device() -> str:
    """`cpu`, or the GPU's name without its maker's: `h200`."""
    if not torch.cuda.is_available():
        return "cpu"
    return torch.cuda.get_device_name().removeprefix("NVIDIA ").lower().replace(" ", "-")


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, object]:
    return {"architecture": platform.machine(), "cores": os.cpu_count(), "threads": torch.get_num_threads()}


def synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
