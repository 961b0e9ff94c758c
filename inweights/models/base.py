"""What a backbone must offer, whatever its family: token ids in, next-token scores or hidden states out."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.models.embeddings import own_forward

Family = Literal["causal", "encoder"]
"""`seq2seq`, `masked` (label words in an encoder) and `remote` have their place here and come later."""

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


def each_behind(behind: Behind, trees: int) -> list[Prefix | None]:
    """What stands in front of each of so many trees."""
    return [behind] * trees if behind is None or isinstance(behind, Prefix) else list(behind)


@dataclass(frozen=True)
class ModelCard:
    """What a report says of a backbone."""

    name: str
    family: Family
    architecture: str
    """Such as `LlamaForCausalLM`."""
    parameters: int
    dtype: str
    device: str
    max_tokens: int
    """Longest sequence it can read, its context window."""
    digest: str
    """SHA-256 over names and bytes of its weights (on disk where it came from a folder), 16 hexadecimal digits."""


@dataclass
class TokenCount:
    """How many tokens have gone through a backbone since it was loaded; the meter reads it."""

    tokens: int = 0


@runtime_checkable
class LanguageModel(Protocol):
    """One backbone, perhaps with an update on. A value: `patched` gives another view of the same weights.

    Whatever is read comes as fp32, in the order of the trees and of their reads. Gradients flow unless the caller
    turned them off. Nothing depends on how trees are batched.
    """

    @property
    def card(self) -> ModelCard: ...

    @property
    def module(self) -> nn.Module:
        """The transformers model; updates look for their parameters in it."""
        ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def counter(self) -> TokenCount: ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of whole texts, special tokens only where the tokenizer puts them at the front (one BOS),
        or around the whole (an encoder's)."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Behind = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        """Logits of what comes after every position read; computed at those positions alone.

        `vocabulary`: the tokens whose logits are wanted, and in which order; None: all. Raises UserError for a family
        without an LM head.
        """
        ...

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        """The last hidden state that stands for a sequence: of its last token in a causal model, of its first in an
        encoder, or the mean over its tokens."""
        ...

    def prefix(self, ids: Sequence[int]) -> Prefix:
        """Encode tokens that many queries will share, in pieces where there are many of them.

        Raises UserError for a family that can't.
        """
        ...

    def patched(self, patch: Patch) -> "LanguageModel":
        """The same backbone with one more update on."""
        ...

    def blocks(self) -> Sequence[nn.Module]:
        """The transformer blocks, first to last."""
        ...


@runtime_checkable
class Stackable(Protocol):
    """A patch that can stand beside others of its kind in one pass, each on for the tokens of its own lane."""

    def beside(self, others: "Sequence[Patch]") -> Patch | None:
        """The patch of all lanes, this one's first; None where these cannot share a pass."""
        ...


@dataclass(frozen=True)
class Swap:
    """A patch that puts private tensors in the place of a module's parameters, wherever (tied) they stand."""

    module: nn.Module
    tensors: Mapping[str, nn.Parameter]
    """By the names of `module.named_parameters()`."""
    places: tuple[tuple[nn.Module, str, str], ...] = field(init=False)

    def __post_init__(self) -> None:
        wanted = {id(p): name for name, p in self.module.named_parameters() if name in self.tensors}
        found = [
            (owner, attribute, wanted[id(p)])
            for owner in self.module.modules()
            for attribute, p in owner._parameters.items()
            if id(p) in wanted
        ]
        object.__setattr__(self, "places", tuple(found))

    def __call__(self) -> AbstractContextManager[None]:
        return _swapped(self)

    def beside(self, others: Sequence[Patch]) -> Patch | None:
        """Biases alone: what is added to each token can be its lane's own, what it is multiplied with cannot."""
        from inweights.models.biases import BiasesByLane

        swaps = [self, *(each for each in others if isinstance(each, Swap))]
        alike = len(swaps) == 1 + len(others) and all(each.places == self.places for each in swaps)
        # An LM head is run at the positions read alone, and perhaps for some of its rows.
        head = getattr(self.module, "get_output_embeddings", lambda: None)()
        if not alike or any(attribute != "bias" or owner is head for owner, attribute, _ in self.places):
            return None
        return BiasesByLane(self.places, tuple(each.tensors for each in swaps))


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
    """Take a forward pass of its own off a module; `before`: the one that it had, None: that of its class."""
    del module.forward
    if before is not None:
        module.forward = before


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over the names and bytes of every parameter and buffer in memory, 16 hexadecimal digits."""
    import hashlib

    sha = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        sha.update(name.encode())
        sha.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]
