"""What a backbone must offer, whatever its family: token ids in, next-token scores or hidden states out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.trees import Behind, Patch, Prefix, TokenCount, Tree

Family = Literal["causal", "encoder"]
PACKED = "packed, prefixes shared"
"""How a model reads several prompts whose attention can be replaced by ours."""


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
    attention: str = ""
    """`PACKED`, or that whole padded prompts are read, with the reason."""

    @property
    def slow_path(self) -> str:
        """One line for the user where the model cannot pack; "" where it can."""
        return "" if self.attention in ("", PACKED) else f"{self.name}: {self.attention}, slower"


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
