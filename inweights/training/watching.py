"""Who hears of every optimizer step: a study that shows progress does, whichever method trains, and no method knows."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Watch = Callable[[int, int, float], None]
"""Called with the step that has ended, the number of steps, and the step's loss; of several runs in a pass, the first's."""
_watch: ContextVar[Watch | None] = ContextVar("step_watch", default=None)


@contextmanager
def steps_watched(watch: Watch) -> Iterator[None]:
    """Within, training calls `watch` after each step, unless it is given another one."""
    token = _watch.set(watch)
    try:
        yield
    finally:
        _watch.reset(token)


def current_watch() -> Watch | None:
    return _watch.get()
