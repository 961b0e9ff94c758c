"""BERT-like encoders: hidden states for a head, and no next token."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inweights.engine.checkpointing import rerun_in_backward
from inweights.engine.current_layout import laid_out
from inweights.engine.layouts import bidirectional_layout
from inweights.engine.padded import padded
from inweights.engine.products import fast_products
from inweights.engine.stacked_runs import dropout_by_run
from inweights.engine.switches import patches_on
from inweights.engine.trees import Layer, Prefix, Prefixes, Tree
from inweights.models.architecture import Linear, linear_layers_of
from inweights.models.card import ModelCard
from inweights.models.language_model import GREEDY, Sampling
from inweights.models.local_model import LocalModel
from inweights.models.queries import Queries
from inweights.models.tokenization import encode
from inweights.types import Query, UserError

FIRST_POSITION_AFTER_PAD = ("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet", "data2vec-text")
"""Model types whose positions begin at the padding token's id + 1, so that the first rows of their table are unused."""


@dataclass(frozen=True)
class Encoder(LocalModel):
    """A `Backbone` without an LM head; `Backbone` and `TokenModel` say what each function promises."""

    first_position: int
    """The number of the first position: 0, or 2 in RoBERTa."""

    @property
    def chat_template(self) -> str:
        return ""

    @property
    def bos_ids(self) -> tuple[int, ...]:
        return ()

    @property
    def end_of_text_ids(self) -> frozenset[int]:
        return frozenset()

    @property
    def output_embeddings(self) -> None:
        return None

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return encode(self.tokenizer, texts, add_special_tokens=True)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, self.encode(texts)))

    def score(self, queries: Sequence[Query], batch_tokens: int = 8192) -> list[Float[Tensor, " choices"]]:
        self._refuse("predicts no next token")

    def generate(self, queries: Sequence[Query], max_new_tokens: int, sampling: Sampling = GREEDY) -> list[str]:
        self._refuse("predicts no next token")

    def tokenized(self, queries: Sequence[Query]) -> Queries:
        self._refuse("predicts no next token")

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefixes = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        self._refuse("predicts no next token")

    def hidden_states(self, trees: Sequence[Tree], prefix: Prefixes = None) -> Float[Tensor, "reads hidden"]:
        self._refuse("predicts no next token")

    def prefix(self, ids: Sequence[int]) -> Prefix:
        self._refuse("cannot continue from a prefix")

    def read_stems(
        self, trees: Sequence[Tree], prefixes: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        self._refuse("predicts no next token")

    def _refuse(self, why: str) -> NoReturn:
        raise UserError(
            f"{self.card.name} is an encoder ({self.card.architecture}) and {why}: "
            "take a `vanilla` method, or a causal language model"
        )

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        longest = max(map(len, sequences))
        if longest > self.card.max_tokens:
            raise UserError(
                f"a text has {longest:,} tokens and {self.card.name} reads at most {self.card.max_tokens:,}: "
                "shorten the text or take a model with a longer context window"
            )
        with ExitStack() as stack:
            if self.frozen:
                frozen = self.frozen.states([tuple(ids) for ids in sequences], self.without_updates().summaries)
                stack.enter_context(self.frozen.in_place_of_blocks(frozen))
            stack.enter_context(patches_on(self.patches))
            stack.enter_context(fast_products(self.module))
            stack.enter_context(dropout_by_run(self.module, lambda: self.segments))
            states = self._packed(sequences) if self.packs else self._padded(sequences)
        return torch.stack([tokens[0] if pooling == "own" else tokens.mean(0) for tokens in states])

    def _packed(self, sequences: Sequence[Sequence[int]]) -> Sequence[Tensor]:
        """The states of each sequence; all are read in one row without padding."""
        device, lengths = self.device, list(map(len, sequences))
        # Positions are given explicitly: the model would count on through the row, from one sequence to the next.
        places = [self.first_position + position for length in lengths for position in range(length)]
        ids = [token for sequence in sequences for token in sequence]
        self.counter.tokens += len(ids)
        layout = bidirectional_layout(lengths, device, self.segments)
        with ExitStack() as stack:
            stack.enter_context(laid_out(layout))
            if self.checkpointing and torch.is_grad_enabled():
                first = self.frozen.below if self.frozen else 0
                stack.enter_context(rerun_in_backward(self.blocks()[first:], self.patches, layout, self.module))
            out = self.module(
                input_ids=torch.tensor([ids], device=device), position_ids=torch.tensor([places], device=device)
            )
        states: tuple[Tensor, ...] = cast(Tensor, out.last_hidden_state)[0].float().split(lengths)
        return states

    def _padded(self, sequences: Sequence[Sequence[int]]) -> Sequence[Tensor]:
        ids, mask = padded(sequences, self.device)
        self.counter.tokens += ids.numel()  # padding is computed, so it counts
        hidden = cast(Tensor, self.module(input_ids=ids, attention_mask=mask).last_hidden_state).float()
        return [states[: len(sequence)] for states, sequence in zip(hidden, sequences, strict=True)]

    def linear_layers(self) -> Mapping[str, Linear]:
        return linear_layers_of(self.module, None)


def encoder(card: ModelCard, module: Any, tokenizer: Any) -> Encoder:
    width = int(module.config.get_text_config().hidden_size)
    return Encoder(card, module, tokenizer, width, first_position(module.config))


def first_position(config: Any) -> int:
    return int(config.pad_token_id) + 1 if config.model_type in FIRST_POSITION_AFTER_PAD else 0
