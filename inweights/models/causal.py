"""Causal language models: whatever transformers' `AutoModelForCausalLM` loads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.learned_prefix import begins_texts, virtual_token_count
from inweights.engine.trees import Layer, Patch, Prefix, Prefixes, Tree
from inweights.models.architecture import Linear, linear_layers_of
from inweights.models.card import ModelCard
from inweights.models.causal_forward import CausalForward
from inweights.models.choice_scores import choice_scores
from inweights.models.generated import generated
from inweights.models.language_model import GREEDY, Sampling
from inweights.models.local_model import LocalModel
from inweights.models.queries import Queries, tokenized
from inweights.models.tokenization import encode
from inweights.types import Query


@dataclass(frozen=True)
class CausalLM(LocalModel):
    """A `Backbone` with an LM head; `Backbone` and `TokenModel` say what each function promises."""

    bos_ids: tuple[int, ...]
    """Special tokens that begin every text: one BOS, or none."""
    trims: bool = True
    """Whether its last block can be run for only the positions that are read."""

    @property
    def chat_template(self) -> str:
        return str(self.tokenizer.chat_template or "")

    @property
    def end_of_text_ids(self) -> frozenset[int]:
        settings = cast(Any, self.module).generation_config
        # Chat models declare several ends, such as that of a turn, of which the tokenizer knows only one.
        declared = settings.eos_token_id if settings else None
        ids = [*(declared if isinstance(declared, list) else [declared]), self.tokenizer.eos_token_id]
        return frozenset(int(each) for each in ids if each is not None)

    @property
    def output_embeddings(self) -> nn.Module:
        return cast(nn.Module, cast(Any, self.module).get_output_embeddings())

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return list(map(len, self.encode(texts)))

    def score(self, queries: Sequence[Query], batch_tokens: int = 8192) -> list[Float[Tensor, " choices"]]:
        return choice_scores(self, queries, batch_tokens)

    def generate(self, queries: Sequence[Query], max_new_tokens: int, sampling: Sampling = GREEDY) -> list[str]:
        return generated(self, queries, max_new_tokens, sampling)

    def tokenized(self, queries: Sequence[Query]) -> Queries:
        return tokenized(self.encode, self.card, queries)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        # The tokenizer does not add special tokens here: its template may end every text with an end-of-text token.
        return [[*self.bos_ids, *ids] for ids in encode(self.tokenizer, texts, add_special_tokens=False)]

    def next_token_logits(
        self, trees: Sequence[Tree], prefix: Prefixes = None, vocabulary: Int[Tensor, " rows"] | None = None
    ) -> Float[Tensor, "reads vocabulary"]:
        return self._forward.read(trees, prefix, "logits", vocabulary)

    def hidden_states(self, trees: Sequence[Tree], prefix: Prefixes = None) -> Float[Tensor, "reads hidden"]:
        return self._forward.read(trees, prefix, "hidden")

    def summaries(
        self, sequences: Sequence[Sequence[int]], pooling: Literal["own", "mean"] = "own"
    ) -> Float[Tensor, "sequences hidden"]:
        if pooling == "own":
            return self._forward.read([Tree(tuple(ids), reads=(len(ids) - 1,)) for ids in sequences], None, "hidden")
        # The mean needs the last block's output at every token, so that nothing of that block can be left out.
        trees = [Tree(tuple(ids), reads=tuple(range(len(ids)))) for ids in sequences]
        parts = self._forward.read(trees, None, "hidden").split([len(tree) for tree in trees])
        return torch.stack([part.mean(0) for part in parts])

    def prefix(self, ids: Sequence[int]) -> Prefix:
        return self._forward.prefix(ids)

    def read_stems(
        self, trees: Sequence[Tree], prefixes: Sequence[Prefix | None]
    ) -> tuple[list[Prefix | None], dict[Layer, tuple[Tensor, Tensor]], Float[Tensor, "trees vocabulary"]]:
        return self._forward.stems(trees, prefixes)

    def patched(self, patch: Patch) -> Self:
        # A learned prefix takes positions of the context window, and may begin every text itself.
        room = replace(self.card, max_tokens=self.card.max_tokens - virtual_token_count(patch))
        bos_ids = () if begins_texts(patch) else self.bos_ids
        return replace(self, card=room, bos_ids=bos_ids, patches=(*self.patches, patch))

    def linear_layers(self) -> Mapping[str, Linear]:
        return linear_layers_of(self.module, self.output_embeddings)

    @property
    def _forward(self) -> CausalForward:
        return CausalForward(self, self.trims)


def causal_lm(card: ModelCard, module: Any, tokenizer: Any) -> CausalLM:
    # The LM head's width and not the blocks': in OPT-350M the head reads narrower vectors than the blocks return.
    width = int(module.get_output_embeddings().weight.shape[1])
    return CausalLM(card, module, tokenizer, width, bos_ids_of(tokenizer))


def bos_ids_of(tokenizer: Any) -> tuple[int, ...]:
    """The special tokens that begin a text. They are found in an encoded text, since templates may also end it with some."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    whole = tokenizer("a")["input_ids"]
    return tuple(whole[: next(at for at in range(len(whole)) if whole[at : at + len(bare)] == bare)])
