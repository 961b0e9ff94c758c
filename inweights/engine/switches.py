"""Context managers: patches, hooks, training and evaluation mode."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn
from torch.utils.hooks import RemovableHandle

from inweights.engine.trees import Patch


@contextmanager
def patches_on(patches: Sequence[Patch]) -> Iterator[None]:
    with ExitStack() as stack:
        for patch in patches:
            stack.enter_context(patch())
        yield


@contextmanager
def hooked(registered: Iterable[RemovableHandle]) -> Iterator[None]:
    """Hooks are registered one by one as `registered` is iterated over, and all are removed at the end.

    An iterator, so that hooks registered before a failure are removed, too.
    """
    handles: list[RemovableHandle] = []
    try:
        for handle in registered:
            handles.append(handle)
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def in_mode(module: nn.Module, training: bool) -> Iterator[None]:
    """Within, the whole module is in training or evaluation mode; afterwards each part is in the mode that it was in."""
    before = [(part, part.training) for part in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for part, mode in before:
            part.training = mode
