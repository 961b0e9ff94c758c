"""Keys and values that were learnt, in front of everything that is read: of one run, or each lane's own."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

from torch import nn

from inweights.models.base import Patch, Prefix


@dataclass(frozen=True)
class Front:
    """A patch that changes no module: the model reads behind it."""

    keys: tuple[nn.Parameter, ...] = field(repr=False)
    """One for each block: heads x tokens x size."""
    values: tuple[nn.Parameter, ...] = field(repr=False)
    stacks: bool = True

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()

    def beside(self, others: Sequence[Patch]) -> "FrontByLane | None":
        fronts = [self, *(each for each in others if isinstance(each, Front))]
        alike = [each for each in fronts if each.stacks and each.keys[0].shape == self.keys[0].shape]
        return FrontByLane(tuple(alike)) if len(alike) > len(others) else None

    def prefix(self, like: nn.Module) -> Prefix:
        """In the dtype of the model's own keys."""
        dtype = next(like.parameters()).dtype
        keys, values = (tuple(each.to(dtype) for each in table) for table in (self.keys, self.values))
        return Prefix((0,) * self.keys[0].shape[1], keys, values)


@dataclass(frozen=True)
class FrontByLane:
    fronts: tuple[Front, ...]

    def __call__(self) -> AbstractContextManager[None]:
        return nullcontext()


def fronts_of(patches: Sequence[Patch], module: nn.Module) -> list[Prefix]:
    """What stands in front: nothing, one prefix, or one for each lane."""
    for patch in patches:
        if isinstance(patch, Front):
            return [patch.prefix(module)]
        if isinstance(patch, FrontByLane):
            return [each.prefix(module) for each in patch.fronts]
    return []
