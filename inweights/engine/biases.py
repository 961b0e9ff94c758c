"""Biases of several runs in one pass: every token gets those of its own run."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inweights.engine.current_layout import current
from inweights.engine.switches import hooked


@dataclass(frozen=True)
class BiasesByRun:
    """The patch: the difference of a run's bias from the shared one is added to the module's output."""

    places: tuple[tuple[nn.Module, str, str], ...]
    tensors: tuple[Mapping[str, nn.Parameter], ...] = field(repr=False)

    def __call__(self) -> AbstractContextManager[None]:
        return hooked(self._hook(owner, name) for owner, _, name in self.places)

    def _hook(self, owner: nn.Module, name: str) -> RemovableHandle:
        def add(_: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
            layout = current()
            assert layout is not None
            shared = owner._parameters["bias"]
            assert shared is not None
            differences = torch.stack([tensors[name] - shared.detach().float() for tensors in self.tensors])
            # A product with zeros and ones: its gradient is one too, where that of an index would be a slow addition.
            added = layout.segment_of @ differences
            return output + added.view(output.shape).to(output.dtype)

        return owner.register_forward_hook(add)
