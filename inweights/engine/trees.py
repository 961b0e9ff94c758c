"""What a forward pass is given: trees of tokens, prefixes in front of them, patches that turn an update on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Patch = Callable[[], AbstractContextManager[None]]
"""Turns an update on for as long as the context it gives is entered, and leaves the backbone as it was."""


@dataclass(frozen=True)
class Tree:
    """A token sequence with branches: every branch sees the stem and itself, never another branch.

    The stem is a prompt, its branches the label words without their last tokens. Branches of no token are left out
    by the caller: what a label word of one token needs is read at the stem's end.
    """

    stem: tuple[int, ...]
    branches: tuple[tuple[int, ...], ...] = ()
    reads: tuple[int, ...] | None = None
    """Positions whose output is wanted, counted along stem + branches in order; None: the stem's last token and
    every token of every branch."""

    def __len__(self) -> int:
        return len(self.stem) + sum(map(len, self.branches))

    @property
    def positions_read(self) -> tuple[int, ...]:
        return self.reads if self.reads is not None else tuple(range(len(self.stem) - 1, len(self)))


@dataclass(frozen=True)
class Prefix:
    """Tokens that stand in front of many queries, encoded once: keys and values of every layer, without a batch axis.

    Keys are stored as attention uses them (after rotary positions). Differentiable where the model that made it was.
    """

    ids: tuple[int, ...]
    keys: tuple[Float[Tensor, "kv_heads tokens head_dim"], ...]
    values: tuple[Float[Tensor, "kv_heads tokens head_dim"], ...]


Behind = Prefix | Sequence[Prefix | None] | None
"""What stands in front of trees: one prefix, one for each tree, or nothing."""


def prefix_of_each(behind: Behind, trees: int) -> list[Prefix | None]:
    """What stands in front of each of so many trees."""
    return [behind] * trees if behind is None or isinstance(behind, Prefix) else list(behind)


@runtime_checkable
class Stackable(Protocol):
    """A patch that can stand beside others of its kind in one pass, each on for the tokens of its own lane."""

    def beside(self, others: "Sequence[Patch]") -> Patch | None:
        """The patch of all lanes, this one's first; None where these cannot share a pass."""
        ...


@dataclass
class TokenCount:
    """How many tokens have gone through a backbone since it was loaded; the meter reads it."""

    tokens: int = 0
