"""How fast this machine multiplies and copies, measured in a second or two."""

import time
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from inweights.engine.products import linear

COPIED_BYTES = 1 << 26
"""More than caches hold."""


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache
def matrix_rate(width: int, tokens: int) -> float:
    """Floating-point operations per second of products of `tokens` rows with matrices of width x 4 width, in turn.

    As many matrices as make a model: one alone would stay in the cache.
    """
    dtype = torch.bfloat16 if device() == "cuda" else torch.float32
    count = max(2, min(48, COPIED_BYTES * 2 // (4 * width * width * 4)))
    weights = [torch.randn(4 * width, width, device=device(), dtype=dtype) for _ in range(count)]
    x = torch.randn(tokens, width, device=device(), dtype=dtype)
    seconds = _best(lambda: [linear(x, weight) for weight in weights][-1])
    return count * 2 * tokens * width * 4 * width / seconds


@lru_cache
def copy_rate() -> float:
    """Bytes per second that an element-wise pass reads and writes, of tensors too large for a cache."""
    x, out = (torch.zeros(COPIED_BYTES // 4, device=device()) for _ in range(2))
    return 2 * COPIED_BYTES / _best(lambda: torch.add(x, 1.0, out=out))


def free_bytes() -> int:
    """Free memory of the GPU, else of the machine (Linux: with what the kernel can free)."""
    if device() == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            lines = dict(line.split(":") for line in file)
        return int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError):
        import os

        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def _best(work: Callable[[], Tensor], times: int = 4) -> float:
    best = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        work().flatten()[0].item()  # waits for a GPU
        best = min(best, time.perf_counter() - started)
    return best
