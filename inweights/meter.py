"""What a piece of work cost in time, tokens and memory."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from inweights.types import Cost

T = TypeVar("T")


class Counter(Protocol):
    tokens: int


def measure(work: Callable[[], T], counter: Counter | None = None) -> tuple[T, Cost]:
    """Do `work` once; return its result and its cost.

    Peak bytes are of this work alone: CUDA's allocator where a GPU is in use, else the kernel's high-water mark of the
    process (Linux; reset at the start), else the process's own, which is that of its whole life and named so.
    """
    meter = _meter()
    tokens = counter.tokens if counter else 0
    meter.forget()
    before = meter.peak()
    started = time.perf_counter()
    result = work()
    peak = meter.peak()  # on CUDA this waits for the work to end, so it comes before the clock
    seconds = time.perf_counter() - started
    spent = (counter.tokens if counter else 0) - tokens
    return result, Cost(seconds, spent, max(0, peak - before), before, meter.name)


class _Cuda:
    name = "cuda allocator"

    def forget(self) -> None:
        import torch

        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()

    def peak(self) -> int:
        import torch

        torch.cuda.synchronize()
        return int(torch.cuda.max_memory_allocated())


class _Kernel:
    name = "VmHWM"

    def forget(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size

    def peak(self) -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


class _Lifetime:
    name = "ru_maxrss of the process's life"

    def forget(self) -> None: ...

    def peak(self) -> int:
        import resource
        import sys

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _meter() -> _Cuda | _Kernel | _Lifetime:
    import sys

    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return _Cuda()
    kernel = _Kernel()
    try:
        kernel.forget()
        kernel.peak()
    except (OSError, IndexError):
        return _Lifetime()
    return kernel
