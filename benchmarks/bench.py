"""A benchmark as a value: timing in turns, the record of what came out, and the goal it is held to."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Generic, Literal, TypeVar

import torch

from benchmarks.machine import device, machine, synchronize, versions

T = TypeVar("T")
RECORDS = Path(__file__).parent / "records"


@dataclass(frozen=True)
class Options:
    data: Path | None = None
    """A folder with rte/ and cola/, or with what the benchmark says it reads; None: made text."""
    quick: bool = False
    """Two layers and tiny counts: whether it runs, not how fast."""
    repeats: int | None = None
    models: Path | None = None
    """A folder with smollm2-135m-instruct/ and gemma-3-270m/, for the benchmarks whose names begin with `real-`."""


@dataclass(frozen=True)
class Goal:
    cpu: float
    cuda: float
    better: Literal["higher", "lower"] = "higher"
    ratio: Literal["peer / ours", "ours / peer"] = "peer / ours"

    @property
    def here(self) -> float:
        return self.cuda if torch.cuda.is_available() else self.cpu


@dataclass(frozen=True)
class Row:
    """One shape or variant."""

    shape: str
    ours: float
    peer: float
    unit: str
    ratio: float
    goal: float
    better: str
    repeats: int
    more: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else was found, such as the largest difference of scores."""

    @property
    def margin(self) -> float:
        """1 where the goal is just met, less where it is missed."""
        return self.ratio / self.goal if self.better == "higher" else self.goal / self.ratio


@dataclass(frozen=True)
class Benchmark:
    name: str
    about: str
    """One line."""
    goal: Goal
    run: Callable[[Options, Goal], list[Row]]
    needs: tuple[str, ...] = ()
    """Packages to install, by the names they are installed by, that inweights itself does not need."""


@dataclass(frozen=True)
class Timed(Generic[T]):
    seconds: float
    result: T


def timed(work: Callable[[], T]) -> Timed[T]:
    synchronize()
    start = time.perf_counter()
    result = work()
    synchronize()
    return Timed(time.perf_counter() - start, result)


def in_turns(ways: Mapping[str, Callable[[], Timed[Any]]], repeats: int) -> dict[str, list[Timed[Any]]]:
    """Every way once, then every way again, so that what else the machine does falls on all of them."""
    if torch.cuda.is_available():  # the first use of a kernel loads it
        for way in ways.values():
            way()
    turns = [{name: way() for name, way in ways.items()} for _ in range(repeats)]
    return {name: [turn[name] for turn in turns] for name in ways}


def compared(shape: str, goal: Goal, unit: str, ours: Sequence[float], peer: Sequence[float], **more: Any) -> Row:
    """Medians over the turns; of the ratios too, each of two measurements that were neighbours in time."""
    pairs = list(zip(ours, peer, strict=True))
    ratios = [b / a if goal.ratio == "peer / ours" else a / b for a, b in pairs]
    return Row(shape, median(ours), median(peer), unit, median(ratios), goal.here, goal.better, len(pairs), more)


def same(ours: Any, peer: Any, tolerance: float) -> dict[str, float]:
    """The proof that both did the same work: their largest difference, and how far apart the peer's numbers lie."""
    ours, peer = (torch.as_tensor(each).double().cpu() for each in (ours, peer))
    assert ours.shape == peer.shape, f"{tuple(ours.shape)} numbers beside {tuple(peer.shape)}"
    difference = float((ours - peer).abs().max())
    assert difference <= tolerance, f"the two sides differ by {difference:.2g}, more than {tolerance}: not the same work"
    return {"largest_difference": difference, "spread": float(peer.max() - peer.min()), "tolerance": tolerance}


def record(benchmark: Benchmark, rows: Sequence[Row], command: str) -> dict[str, Any]:
    """As JSON: the row furthest from its goal, then all of them."""
    plain = [_plain(benchmark.name, row) for row in rows]
    worst = min(range(len(rows)), key=lambda index: rows[index].margin)
    return {**plain[worst], "command": command, "versions": versions(), "machine": machine(), "rows": plain}


def _plain(name: str, row: Row) -> dict[str, Any]:
    values = asdict(row)
    more = values.pop("more")
    return {"name": name, "device": device(), **values, **more}


def write(found: Mapping[str, Any]) -> Path:
    RECORDS.mkdir(exist_ok=True)
    path = RECORDS / f"{found['name']}-{found['device']}.json"
    path.write_text(json.dumps(found, indent=2) + "\n")
    return path
