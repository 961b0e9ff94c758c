"""BERT-like encoders: hidden states for a head, no next token."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.attention_layout import bidirectional_layout, laid_out
from inweights.engine.checkpointing import rerun_in_backward
from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.padded import padded
from inweights.engine.stacked_runs import RunSegment, dropout_by_run
from inweights.engine.switches import patches_on
from inweights.engine.trees import Behind, Patch, Prefix, TokenCount, Tree
from inweights.models.base import LanguageModel, ModelCard
from inweights.models.causal import blocks_of
from inweights.types import UserError


@dataclass(frozen=True)
class Encoder:
    """A `LanguageModel` without an LM head. See there for what each function promises."""

    card: ModelCard
    module: nn.Module
    tokenizer: Any
    hidden_size: int
    first_position: int
    """Number of the first token's position: 0, or RoBERTa's 2."""
    packs: bool
    """Its attention can be replaced by ours; else padded batches go through."""
    counter: TokenCount = field(default_factory=TokenCount)
    patches: tuple[Patch, ...] = ()
    segments: tuple[RunSegment, ...] = ()
    """Where several runs train in one row."""
    frozen: FrozenBlocks | None = None
    """Blocks that no patch changes, and what they gave."""
    checkpointing: bool = False
    """Blocks are run again in the backward pass."""

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return cast("list[list[int]]", self.tokenizer(list(texts), verbose=False)["input_ids"])

    def decode(self, ids: Sequence[int]) -> str:
        return cast(str, self.tokenizer.decode(list(ids), skip_special_tokens=True))

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Behind = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        raise UserError(
            f"{self.card.name} is an encoder ({self.card.architecture}) and predicts no next token: "
            "take a `vanilla` method, or a causal language model"
        )

    def prefix(self, ids: Sequence[int]) -> Prefix:
        raise UserError(
            f"{self.card.name} is an encoder ({self.card.architecture}) and cannot read on from a prefix: "
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
                bare = replace(self, patches=(), segments=(), frozen=None)
                frozen = self.frozen.states([tuple(ids) for ids in sequences], bare.summaries)
                stack.enter_context(self.frozen.in_place_of_blocks(frozen))
            stack.enter_context(patches_on(self.patches))
            stack.enter_context(dropout_by_run(self.module, lambda: self.segments))
            states = self._packed(sequences) if self.packs else self._padded(sequences)
        return torch.stack([each[0] if pooling == "own" else each.mean(0) for each in states])

    def _packed(self, sequences: Sequence[Sequence[int]]) -> Sequence[Tensor]:
        """The states of each sequence, all in one row without padding."""
        device, lengths = cast(Any, self.module).device, [len(ids) for ids in sequences]
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
        ids, mask = padded(sequences, cast(Any, self.module).device)
        self.counter.tokens += ids.numel()
        hidden = cast(Tensor, self.module(input_ids=ids, attention_mask=mask).last_hidden_state).float()
        return [states[: len(sequence)] for states, sequence in zip(hidden, sequences, strict=True)]

    def patched(self, patch: Patch) -> LanguageModel:
        return replace(self, patches=(*self.patches, patch))

    def blocks(self) -> Sequence[nn.Module]:
        return blocks_of(self.module)
