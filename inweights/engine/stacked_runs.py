"""Several runs in one row, each with its own stretch of tokens, its own update and its own stream of random numbers."""

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
    """A generator's state for each run. Inside `of(run)` torch's global generator draws what that run alone would."""

    def __init__(self, seeds: Sequence[int], device: torch.device) -> None:
        self.device = device
        self.states = [torch.Generator(device).manual_seed(seed).get_state() for seed in seeds]

    @contextmanager
    def of(self, segment: int) -> Iterator[None]:
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
    """A context manager for later, within which runs draw again what they draw from here on."""
    found = _streams.get()
    return nullcontext() if found is None else _drawn_again(*found, list(found[0].states))


@contextmanager
def _drawn_again(streams: RandomStreams, runs: tuple[int, ...], states: list[Tensor]) -> Iterator[None]:
    now, streams.states = streams.states, list(states)
    try:
        with drawing_from(streams, runs):
            yield
    finally:
        streams.states = now


def each_by_run(segments: Sequence[RunSegment], make: Callable[[int], T]) -> list[T]:
    """`make` for each segment, drawing from its run's stream where there are streams."""
    found = _streams.get()
    if found is None:
        return [make(segment) for segment in range(len(segments))]
    streams, runs = found
    made = []
    for segment in range(len(segments)):
        with streams.of(runs[segment]):
            made.append(make(segment))
    return made


class DropoutByRun(TorchFunctionMode):
    """Dropout of a row draws for each segment what its run alone would draw."""

    def __init__(self, segments: Callable[[], Sequence[RunSegment]]) -> None:
        super().__init__()
        self.segments = segments

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = dict(kwargs or {})
        if func is not F.dropout:
            return func(*args, **options)
        sizes = [segment.tokens for segment in self.segments()]
        # Some architectures take the row for a matrix on the way.
        axis = {(1, sum(sizes)): 1}.get(tuple(args[0].shape[:2]), 0 if args[0].shape[0] == sum(sizes) else None)
        if axis is None:
            return func(*args, **options)
        pieces = args[0].split(sizes, axis)
        return torch.cat(each_by_run(self.segments(), lambda segment: func(pieces[segment], *args[1:], **options)), axis)


def dropout_by_run(module: nn.Module, segments: Callable[[], Sequence[RunSegment]]) -> AbstractContextManager[object]:
    """`DropoutByRun` where there are segments and something would be dropped; `segments` may change on the way."""
    return DropoutByRun(segments) if segments() and module.training and _drops(module) else nullcontext()


def _drops(module: nn.Module) -> bool:
    """Whether a model in training mode would drop anything: as modules, or by a rate that its configuration names."""
    if any(isinstance(each, nn.Dropout) and each.p > 0 for each in module.modules()):
        return True
    settings = vars(getattr(module, "config", object))
    return any(isinstance(rate, float) and rate > 0 for name, rate in settings.items() if "drop" in name)
