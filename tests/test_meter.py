"""What a phase cost is of that phase alone, whatever ran before it, and says by what it was measured."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from inweights import meter
from inweights.meter import measure

MIB = 2**20
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's high-water mark is Linux's")


def filled(tensors: int, size: int) -> list[torch.Tensor]:
    return [torch.ones(size // 4) for _ in range(tensors)]


@linux
def test_the_peak_is_of_this_work_alone_not_of_what_came_before():
    _, large = measure(lambda: sum(t.sum().item() for t in filled(1, 200 * MIB)))
    _, small = measure(lambda: sum(t.sum().item() for t in filled(1, 20 * MIB)))
    assert 195 * MIB < large.peak_bytes < 230 * MIB
    assert 18 * MIB < small.peak_bytes < 40 * MIB


@linux
@pytest.mark.parametrize(("tensors", "size"), [(20, 3 * MIB), (600, MIB // 10)])
def test_work_done_again_peaks_as_high_as_the_first_time(tensors, size):
    """What the first run freed may be kept by the C library, and used again without the kernel noticing."""
    peaks = [measure(lambda: len(filled(tensors, size)))[1].peak_bytes for _ in range(3)]
    assert all(0.85 * tensors * size < peak < 1.3 * tensors * size + 8 * MIB for peak in peaks), peaks


def test_seconds_are_of_the_wall_clock_and_the_result_comes_back():
    result, cost = measure(lambda: time.sleep(0.05) or "done")
    assert result == "done"
    assert 0.05 <= cost.seconds < 0.5


@dataclass
class Counter:
    tokens: int = 1000


def test_tokens_are_those_counted_meanwhile():
    counter = Counter()

    def work() -> None:
        counter.tokens += 42

    assert measure(work, counter)[1].tokens == 42


@linux
def test_the_meter_is_named():
    _, cost = measure(lambda: None)
    assert cost.meter == ("cuda allocator" if torch.cuda.is_initialized() else "VmHWM")
    assert cost.resident_bytes > 10 * MIB or cost.meter == "cuda allocator"


def test_where_the_kernels_mark_cannot_be_reset_the_process_s_own_is_taken_and_called_so(monkeypatch):
    def refused(self: Path, text: str) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(meter.Path, "write_text", refused)
    _, cost = measure(lambda: torch.ones(MIB).sum().item())
    assert cost.meter == "ru_maxrss of the process's life"
    assert cost.peak_bytes >= 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_the_allocators_peak_is_taken():
    torch.ones(1, device="cuda")
    _, large = measure(lambda: torch.ones(64 * MIB, device="cuda").sum().item())
    _, small = measure(lambda: torch.ones(8 * MIB, device="cuda").sum().item())
    assert large.meter == "cuda allocator"
    assert 256 * MIB <= large.peak_bytes < 300 * MIB
    assert 32 * MIB <= small.peak_bytes < 60 * MIB


def test_seconds_of_the_processor_are_of_all_threads_of_this_process():
    _, cost = measure(lambda: sum(i * i for i in range(10**6)))
    assert 0 < cost.cpu_seconds < 1.2 * cost.seconds + 0.02
    _, asleep = measure(lambda: time.sleep(0.2))
    assert asleep.cpu_seconds < 0.05


@linux
def test_cores_that_other_processes_keep_busy_are_counted_and_ones_own_are_not():
    loop = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        _, cost = measure(lambda: time.sleep(0.6))
    finally:
        loop.kill()
        loop.wait()
    assert cost.others_cores > 0.3
    assert cost.load_average >= 0


@linux
def test_the_kernels_counts_are_of_the_cores_that_this_process_may_use():
    core = next(iter(os.sched_getaffinity(0)))
    # user nice system idle iowait irq softirq steal guest: 7 + 1 + 2 + 1 + 1 + 3 ticks of 1/100 s busy, guests in users.
    text = f"cpu  900 0 0 0 0 0 0 0 0 0\ncpu{core} 7 1 2 500 30 1 1 3 4 0\ncpu9999 800 0 0 0 0 0 0 0 0 0\nctxt 1\n"
    assert meter.busy_seconds(text) == pytest.approx(15 / os.sysconf("SC_CLK_TCK"))
