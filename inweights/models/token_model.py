"""The second of three contracts: a local model, which reads and writes tokens."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.engine.trees import Layer, Prefix, Prefixes, TokenCount, Tree
from inweights.models.language_model import LanguageModel
from inweights.models.queries import Queries
from inweights.types import Query


@runtime_checkable
class TokenModel(LanguageModel, Protocol):
    """A local model: trees of tokens in; next-token logits, hidden states or a prefix out.

    Outputs are fp32, in the order of the trees and of their reads. Gradients flow unless the caller turned them off.
    Nothing depends on how trees are batched.
    """

    @property
    def device(self) -> torch.device: ...

    @property
    def tokenizer(self) -> Any:
        """transformers' tokenizer."""
        ...

    @property
    def chat_template(self) -> str:
        """The tokenizer's chat template as it is written; "" where there is none."""
        ...

    @property
    def front(self) -> tuple[int, ...]:
        """Special tokens that begin every text: one BOS, or none."""
        ...

    @property
    def end_of_text_ids(self) -> frozenset[int]:
        """Tokens that the tokenizer and the model's generation settings declare as ends of a text."""
        ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def vocabulary_size(self) -> int:
        """Rows of the embedding table; token ids are below it."""
        ...

    @property
    def counter(self) -> TokenCount: ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of whole texts, special tokens only where the tokenizer puts them at the front (one BOS),
        or around the whole (an encoder's). What `as_data` marked is read as characters."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def tokenized(self, queries: Sequence[Query]) -> Queries:
        """Queries that share a context as token trees behind one prefix."""
        ...

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefixes = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        """Logits of what comes after every position read; computed at those positions alone.

        `vocabulary`: the tokens whose logits are needed, and in which order; None: all. Raises UserError for a family
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

        Raises UserError for a family that cannot continue from a prefix.
        """
        ...

    def read_stems(
        self, trees: Sequence[Tree], behind: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        """What decoding starts from: each stem's prefix, the keys and values of all stems by layer, the next token's
        logits. Needs a model that packs; stems behind the same prefix stand side by side."""
        ...
