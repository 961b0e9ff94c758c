"""BERT-like encoders: hidden states for a head, no next token."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models.base import LanguageModel, ModelCard, Patch, Prefix, TokenCount, Tree
from inweights.types import UserError


@dataclass(frozen=True)
class Encoder:
    """A `LanguageModel` without an LM head. See there for what each function promises."""

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    hidden_size: int
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return cast("list[list[int]]", self.tokenizer(list(texts))["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefix | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        raise UserError(
            f"{self.card.name} is an encoder ({self.card.architecture}) and predicts no next token: "
            "take a `vanilla` method, or a causal language model"
        )

    def prefix(self, ids: Sequence[int]) -> Prefix:
        raise UserError(f"{self.card.name} is an encoder ({self.card.architecture}) and cannot read on from a prefix")

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        longest = max(map(len, sequences))
        if longest > self.card.max_tokens:
            raise UserError(
                f"a text has {longest:,} tokens and {self.card.name} reads at most {self.card.max_tokens:,}: "
                "shorten the text or take a model with a longer context window"
            )
        device = cast(Any, self.module).device
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[*row, *[pad] * (longest - len(row))] for row in sequences], device=device)
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in sequences], device=device)
        self.counter.tokens += ids.numel()
        with ExitStack() as stack:
            for patch in self.patches:
                stack.enter_context(patch())
            hidden = cast(Tensor, self.module(input_ids=ids, attention_mask=mask).last_hidden_state).float()
        if pooling == "own":
            return hidden[:, 0]
        weights = mask[..., None].float()
        return (hidden * weights).sum(1) / weights.sum(1)

    def patched(self, patch: Patch) -> LanguageModel:
        return replace(self, patches=(*self.patches, patch))

    def blocks(self) -> Sequence[nn.Module]:
        layers = int(cast(Any, self.module).config.num_hidden_layers)
        return next(list(m) for m in self.module.modules() if isinstance(m, nn.ModuleList) and len(m) == layers)
