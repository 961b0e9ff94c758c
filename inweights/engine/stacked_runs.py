"""Several runs in one row: each has a segment of its tokens, and its own stream of random numbers.

A run must give what it would give alone, dropout included. torch draws one dropout mask per call, whatever the row holds,
so dropout is called once per segment, each time with the generator's state of that run.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

T = TypeVar("T")


@dataclass(frozen=True)
class RunSegment:
    """The tokens and trees of one run in a row."""

    tokens: int
    trees: int


class RandomStreams:
    """A generator's state for each run. Inside `of(run)`, torch's global generator draws what it would draw in that run
    alone; modules and functional dropout take no generator, so the global one is the only one that they use."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.device = device
        self.states = [torch.Generator(device).manual_seed(seed).get_state() for seed in seeds]

    @contextmanager
    def of(self, segment: int) -> Iterator[None]:
        # Whatever else draws from the global generator must not notice.
        outside = self._state()
        self._put(self.states[segment])
        try:
            yield
        finally:
            self.states[segment] = self._state()
            self._put(outside)

    def _state(self) -> Tensor:
        if self.device.type == "mps":
            return torch.mps.get_rng_state()
        return torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else torch.get_rng_state()

    def _put(self, state: Tensor) -> None:
        if self.device.type == "mps":
            torch.mps.set_rng_state(state)
        elif self.device.type == "cuda":
            torch.cuda.set_rng_state(state, self.device)
        else:
            torch.set_rng_state(state)


_streams: ContextVar[tuple[RandomStreams, tuple[int, ...]] | None] = ContextVar("streams", default=None)


@contextmanager
def drawing_from(streams: RandomStreams, runs: Sequence[int]) -> Iterator[None]:
    """Within, segment i of a row draws from the stream of `runs[i]`."""
    token = _streams.set((streams, tuple(runs)))
    try:
        yield
    finally:
        _streams.reset(token)


def streams_as_now() -> AbstractContextManager[None]:
    """A context manager for later, within which runs draw the same numbers as from now on: for checkpointed blocks."""
    current = _streams.get()
    return nullcontext() if current is None else _drawn_again(*current, list(current[0].states))


@contextmanager
def _drawn_again(streams: RandomStreams, runs: tuple[int, ...], states: list[Tensor]) -> Iterator[None]:
    # The states of the forward pass are put back for the repetition, and what training has reached since afterwards.
    now, streams.states = streams.states, list(states)
    try:
        with drawing_from(streams, runs):
            yield
    finally:
        streams.states = now


def each_by_run(segments: Sequence[RunSegment], make: Callable[[int], T]) -> list[T]:
    """`make(segment)` for each segment, with random numbers from its run's stream where there are streams."""
    current = _streams.get()
    if current is None:
        return [make(segment) for segment in range(len(segments))]
    streams, runs = current
    made = []
    for segment in range(len(segments)):
        with streams.of(runs[segment]):
            made.append(make(segment))
    return made


class DropoutByRun(TorchFunctionMode):
    """Within, `F.dropout` of a row is called for each segment apart, so that each run gets the mask it would get alone.

    A mode and not a patched module: many architectures call the function with a rate from their configuration.
    """

    def __init__(self, segments: Callable[[], Sequence[RunSegment]]) -> None:
        super().__init__()
        self.segments = segments

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is not F.dropout:
            return func(*args, **options)
        # Read now: within a last block the segments are those of the tokens that are read.
        sizes = [segment.tokens for segment in self.segments()]
        # Which axis counts tokens is known by its size: most tensors are 1 x tokens x size, some tokens x size.
        axis = {(1, sum(sizes)): 1}.get(tuple(args[0].shape[:2]), 0 if args[0].shape[0] == sum(sizes) else None)
        if axis is None:
            return func(*args, **options)
        pieces = args[0].split(sizes, axis)
        return torch.cat(each_by_run(self.segments(), lambda segment: func(pieces[segment], *args[1:], **options)), axis)


def dropout_by_run(module: nn.Module, segments: Callable[[], Sequence[RunSegment]]) -> AbstractContextManager[object]:
    """`DropoutByRun` where there are segments and something is dropped. `segments()`, since a last block has others."""
    return DropoutByRun(segments) if segments() and module.training and _drops(module) else nullcontext()


def _drops(module: nn.Module) -> bool:
    """Whether a model in training mode drops anything: by dropout modules, or at a rate in its configuration."""
    if any(isinstance(each, nn.Dropout) and each.p > 0 for each in module.modules()):
        return True
    settings = vars(getattr(module, "config", object))
    return any(isinstance(rate, float) and rate > 0 for name, rate in settings.items() if "drop" in name)
