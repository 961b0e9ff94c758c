"""The inputs of a forward pass: trees of tokens, the prefixes that precede them, patches that turn an update on."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NewType, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

Layer = NewType("Layer", int)
"""The number of a block, from 0."""
Patch = Callable[[], AbstractContextManager[None]]
"""A context manager within which an update is on; it leaves the backbone as it was."""


@dataclass(frozen=True)
class Tree:
    """A token sequence with branches: every branch sees the stem and itself, never another branch.

    The stem is a prompt, its branches the label words without their last tokens: the last token of a word is predicted,
    not read. So a label word of one token has no branch, and is read at the stem's end.
    """

    stem: tuple[int, ...]
    branches: tuple[tuple[int, ...], ...] = ()
    reads: tuple[int, ...] | None = None
    """Positions whose output is needed, counted along stem + branches in order; None: the stem's last token and
    every token of every branch."""

    def __len__(self) -> int:
        return len(self.stem) + sum(map(len, self.branches))

    @property
    def positions_read(self) -> tuple[int, ...]:
        return self.reads if self.reads is not None else tuple(range(len(self.stem) - 1, len(self)))


@dataclass(frozen=True)
class Prefix:
    """Tokens that precede many queries, encoded once: keys and values of every layer, without a batch axis.

    Keys are stored as attention uses them (after rotary positions). Differentiable where the model that made it was.
    """

    ids: tuple[int, ...]
    keys: tuple[Float[Tensor, "kv_heads tokens head_dim"], ...]
    values: tuple[Float[Tensor, "kv_heads tokens head_dim"], ...]


Prefixes = Prefix | Sequence[Prefix | None] | None
"""The prefixes of some trees: one for all, one for each tree, or none."""


def prefix_of_each(prefixes: Prefixes, trees: int) -> list[Prefix | None]:
    """The prefix of each tree, if any."""
    return [prefixes] * trees if prefixes is None or isinstance(prefixes, Prefix) else list(prefixes)


@runtime_checkable
class Stackable(Protocol):
    """A patch that can share a forward pass with patches of other runs, each for the tokens of its run."""

    def beside(self, others: "Sequence[Patch]") -> Patch | None:
        """The patch of all runs, this one's first; None where they cannot share a pass."""
        ...


@dataclass
class TokenCount:
    """How many tokens have gone through a backbone since it was loaded; the meter reads it."""

    tokens: int = 0
