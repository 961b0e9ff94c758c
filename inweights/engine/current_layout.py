"""The layout of the forward pass that is running."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.stacked_runs import RunSegment

_current: ContextVar[AttentionLayout | None] = ContextVar("layout", default=None)


@contextmanager
def laid_out(layout: AttentionLayout) -> Iterator[None]:
    """Within, attention follows this layout.

    It is a context variable because many architectures pass no extra arguments down to their attention.
    """
    token = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(token)


def current() -> AttentionLayout | None:
    return _current.get()


def current_segments() -> Sequence[RunSegment]:
    layout = current()
    return layout.segments if layout else ()
