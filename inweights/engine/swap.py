"""Private tensors in the place of a module's parameters, for the length of a forward pass."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from inweights.engine.current_layout import current
from inweights.engine.embedding_gradients import own_forward
from inweights.engine.switches import hooked
from inweights.engine.trees import Patch


@dataclass(frozen=True)
class Swap:
    """A patch that puts private tensors in the place of a module's parameters; tied parameters in all their places."""

    module: nn.Module
    tensors: Mapping[str, nn.Parameter]
    """By the names of `module.named_parameters()`."""
    places: tuple[tuple[nn.Module, str, str], ...] = field(init=False)
    """Owning module, its attribute, and the name of the private tensor."""

    def __post_init__(self) -> None:
        # By identity: a tied weight has one name in `named_parameters` and several owners.
        names = {id(p): name for name, p in self.module.named_parameters() if name in self.tensors}
        places = [
            (owner, attribute, names[id(p)])
            for owner in self.module.modules()
            for attribute, p in owner._parameters.items()
            if id(p) in names
        ]
        object.__setattr__(self, "places", tuple(places))

    def __call__(self) -> AbstractContextManager[None]:
        return _swapped(self)

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        """For biases only: each token can have the bias of its run added, but one product has one weight."""
        swaps = [self, *(patch for patch in others if isinstance(patch, Swap))]
        alike = len(swaps) == 1 + len(others) and all(each.places == self.places for each in swaps)
        # An LM head is run only at the positions read, and perhaps for some of its rows: the segments do not fit it.
        head = getattr(self.module, "get_output_embeddings", lambda: None)()
        if not alike or any(attribute != "bias" or owner is head for owner, attribute, _ in self.places):
            return None
        return BiasesByRun(self.places, tuple(each.tensors for each in swaps))


class _swapped(AbstractContextManager[None]):  # noqa: N801  a context manager reads as a verb
    def __init__(self, swap: Swap) -> None:
        self.swap = swap

    def __enter__(self) -> None:
        self.forwards: list[tuple[nn.Module, Any]] = []
        try:
            self._put()
        except BaseException:  # memory that runs out in a cast must not leave private tensors in the backbone
            self.__exit__()
            raise

    def _put(self) -> None:
        self.before = [owner._parameters[attribute] for owner, attribute, _ in self.swap.places]
        for (owner, attribute, name), shared in zip(self.swap.places, self.before, strict=True):
            # Private tensors may be kept in fp32 for a backbone in half precision; gradients flow through the cast.
            dtype = shared.dtype if shared is not None else None
            owner._parameters[attribute] = self.swap.tensors[name].to(dtype)  # type: ignore[assignment]
        head = getattr(self.swap.module, "get_output_embeddings", lambda: None)()
        for owner, attribute, _ in self.swap.places:
            forward = own_forward(owner, owner._parameters[attribute], head) if attribute == "weight" else None
            if forward is not None:
                self.forwards.append((owner, vars(owner).get("forward")))
                owner.forward = forward

    def __exit__(self, *_: object) -> None:
        for place, parameter in zip(self.swap.places, self.before, strict=True):
            place[0]._parameters[place[1]] = parameter
        for owner, before in reversed(self.forwards):
            forward_again(owner, before)


def forward_again(module: nn.Module, before: Any) -> None:
    """Remove a forward pass that was set on a module. `before`: the one that had been set before; None: its class's."""
    del module.forward
    if before is not None:
        module.forward = before


@dataclass(frozen=True)
class BiasesByRun:
    """The same for the biases of several runs in one row: each token gets the bias of its run.

    The module adds the shared bias; a hook adds the difference to the run's own.
    """

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
            # A product with zeros and ones, not an index: the gradient of an index is a slow addition (see ragged.py).
            added = layout.segment_of @ differences
            return output + added.view(output.shape).to(output.dtype)

        return owner.register_forward_hook(add)
