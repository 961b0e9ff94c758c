"""Prefix tuning (Li & Liang 2021, arXiv 2101.00190): keys and values in front of every text are learnt, and no weight."""

import random
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from inweights.engine.learned_prefix import LearnedPrefix
from inweights.models.base import LanguageModel
from inweights.types import UserError
from inweights.updates.base import Adapted


@dataclass(frozen=True)
class PrefixTuning:
    """The keys and values of `tokens` positions in every block, begun as those of tokens drawn from the vocabulary."""

    name = "prefix"
    stacks = True
    tokens: int = 16

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise UserError(f"a prefix has at least 1 token, not {self.tokens}")

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        has_place_in_front(model, "a prefix")
        on_shapes = model.card.device == "none"
        keys, values = _empty(model, self.tokens) if on_shapes else _begun(model, self.tokens, seed)
        parameters = {}
        for block in range(len(keys)):
            parameters[f"prefix.{block}.key"] = nn.Parameter(keys[block])
            parameters[f"prefix.{block}.value"] = nn.Parameter(values[block])
        front = LearnedPrefix(
            tuple(parameters[f"prefix.{block}.key"] for block in range(len(keys))),
            tuple(parameters[f"prefix.{block}.value"] for block in range(len(keys))),
            # Dropout of attention over a prefix draws from one stream for all lanes.
            stacks=not drops_attention(model),
        )
        return Adapted(model.patched(front), parameters)


def has_place_in_front(model: LanguageModel, what: str) -> None:
    """Raises UserError where the model cannot be read behind what is learnt; asked of shapes alone, only by its family."""
    card = model.card
    if card.family != "causal":
        raise UserError(f"{what} is learnt for causal models, and {card.name} is of the family {card.family}")
    if card.device != "none" and not getattr(model, "packs", False):
        raise UserError(f"{card.architecture} reads whole padded prompts and has no place for {what}: take lora")


def drops_attention(model: LanguageModel) -> bool:
    """Whether some of the attention is dropped in training."""
    settings = vars(cast(Any, model.module).config)
    rates = [rate for name, rate in settings.items() if "drop" in name and "att" in name and isinstance(rate, float)]
    return any(rate > 0 for rate in rates)


@torch.no_grad()
def _begun(model: LanguageModel, tokens: int, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Those of real tokens: far from what any text gives, as random ones are, hardly anything is learnt."""
    rng, size = random.Random(f"prefix {seed}"), int(cast(Any, model.module).get_input_embeddings().weight.shape[0])
    found = model.prefix([rng.randrange(size) for _ in range(tokens)])
    return [each.float().clone() for each in found.keys], [each.float().clone() for each in found.values]


def _empty(model: LanguageModel, tokens: int) -> tuple[list[Tensor], list[Tensor]]:
    config = cast(Any, model.module).config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    shape = (len(model.blocks()), heads, tokens, size)
    return list(torch.empty(shape, device="meta")), list(torch.empty(shape, device="meta"))
