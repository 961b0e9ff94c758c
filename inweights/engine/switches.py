"""What is on for a while and off again, however that while ends: patches, hooks, training mode."""

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
    """Hooks that are registered one by one as `registered` is read, and all removed at the end."""
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
    """Training mode or evaluation mode inside, what each part was before outside."""
    before = [(each, each.training) for each in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for each, mode in before:
            each.training = mode
