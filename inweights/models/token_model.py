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

    Outputs are fp32, in the order of the trees and of the positions read in them. They have gradients unless the caller
    turned those off, and do not depend on how trees are batched.
    """

    @property
    def device(self) -> torch.device: ...

    @property
    def tokenizer(self) -> Any:
        """transformers' tokenizer."""
        ...

    @property
    def chat_template(self) -> str:
        """The source of the tokenizer's chat template; "" where there is none."""
        ...

    @property
    def bos_ids(self) -> tuple[int, ...]:
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
        """Number of rows of the embedding table; token ids are smaller."""
        ...

    @property
    def counter(self) -> TokenCount: ...

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids of whole texts, with the special tokens that begin a text (one BOS) or enclose it (an encoder's).
        Control tokens in what `as_data` marked are read as characters."""
        ...

    def decode(self, ids: Sequence[int]) -> str: ...

    def tokenized(self, queries: Sequence[Query]) -> Queries:
        """Queries that share a context, as token trees after one prefix."""
        ...

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefixes = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        """Logits of the next token at every position read; computed at only those positions.

        `vocabulary`: the tokens whose logits are needed, and in which order; None: all. Raises UserError for a family
        without an LM head.
        """
        ...

    def hidden_states(self, trees: Sequence[Tree], prefix: Prefixes = None) -> Float[Tensor, "reads hidden"]:
        """The last hidden states at every position read: the input of the LM head. Raises UserError for a family without
        an LM head."""
        ...

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        """The hidden state of the last block that stands for a sequence: its last token's in a causal model, its first
        token's in an encoder, or the mean over its tokens."""
        ...

    def prefix(self, ids: Sequence[int]) -> Prefix:
        """Encode tokens that many queries share, in pieces where there are many.

        Raises UserError for a family that cannot continue from a prefix.
        """
        ...

    def read_stems(
        self, trees: Sequence[Tree], prefixes: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        """The start of decoding: each stem's prefix, the keys and values of all stems by layer, and the next token's logits.
        Needs a model that packs. Stems with the same prefix stand side by side."""
        ...
