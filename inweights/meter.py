"""The cost of a piece of work in time, tokens and memory."""

import ctypes
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

from inweights.types import Cost

T = TypeVar("T")
M = TypeVar("M", "_Cuda", "_Kernel", "_Lifetime")


class Counter(Protocol):
    tokens: int


def measure(work: Callable[[], T], counter: Counter | None = None) -> tuple[T, Cost]:
    """Do `work` once; return its result and its cost.

    Peak bytes are those of this work alone: by CUDA's allocator where a GPU is in use, else by the kernel's high-water mark
    of the process (Linux; reset at the start). Elsewhere they are the maximum of the process's life, and named so.
    """
    tokens = counter.tokens if counter else 0
    meter, before = _started()
    busy, cpu, started = busy_seconds(), time.process_time(), time.perf_counter()
    result = work()
    peak = meter.peak()  # on CUDA this waits for the work to end, so it comes before the clock
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    others = _others_cores(busy, cpu, seconds)
    spent = (counter.tokens if counter else 0) - tokens
    return result, Cost(seconds, spent, max(0, peak - before), before, meter.name, cpu, others, _load_average())


TICK = 0.01
"""Seconds in which the kernel counts; phases shorter than a few of them say nothing about other processes."""


def busy_seconds(text: str | None = None) -> float | None:
    """Seconds that the cores which this process may use have been busy since the machine started; None where the kernel
    does not say. `text`: in the form of /proc/stat."""
    try:
        lines = (Path("/proc/stat").read_text() if text is None else text).splitlines()
        cores = {f"cpu{core}" for core in os.sched_getaffinity(0)}
    except (OSError, AttributeError):  # not Linux
        return None
    # proc(5): user, nice, system, idle, iowait, irq, softirq, steal; guests are counted as users already.
    counts = [[int(count) for count in line.split()[1:9]] for line in lines if line.split()[0] in cores]
    return sum(sum(each) - each[3] - each[4] for each in counts) / os.sysconf("SC_CLK_TCK") if counts else None


def _others_cores(before: float | None, own: float, seconds: float) -> float | None:
    after = busy_seconds()
    if before is None or after is None or seconds < 10 * TICK:
        return None
    return max(0.0, after - before - own) / seconds


def _load_average() -> float | None:
    try:
        return os.getloadavg()[0]
    except (OSError, AttributeError):
        return None


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
        # Memory that earlier work freed and the C library kept would be used again without the kernel noticing: of 60 MB
        # in tensors of 3 MB, it noticed 6 the second time. Garbage is not collected: that takes 0.1 s and frees nothing,
        # since no fitted method is part of a reference cycle.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
        if trim is not None:
            trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets the peak resident set size

    def peak(self) -> int:
        status = Path("/proc/self/status").read_text()
        return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) * 1024


class _Lifetime:
    name = "ru_maxrss of the process's life"

    def forget(self) -> None: ...

    def peak(self) -> int:
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return used if sys.platform == "darwin" else used * 1024


def _started() -> tuple[_Cuda | _Kernel | _Lifetime, int]:
    """The best available meter, reset, and the memory that is in use now."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized():
        return _read(_Cuda())
    try:
        return _read(_Kernel())
    except (OSError, IndexError):  # not Linux, or a container that may not write there
        return _read(_Lifetime())


def _read(meter: M) -> tuple[M, int]:
    meter.forget()
    return meter, meter.peak()
