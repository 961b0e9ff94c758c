"""Prefix tuning: learned keys and values that precede every text, and PEFT's format for them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inweights.engine.learned_prefix import LearnedPrefix
from inweights.models.architecture import kv_shape
from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, Work, count
from inweights.updates.peft_format import Stored, Target, refuse_head


@dataclass(frozen=True)
class PrefixTuning:
    """Prefix tuning (Li & Liang 2021, arXiv 2101.00190): keys and values of `tokens` positions in every block.

    They start as those of tokens drawn from the vocabulary.
    """

    name = "prefix"
    stacks = True
    schedule = Schedule(lr=1e-2, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = ""
    tokens: int = 16

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise UserError(f"expected a prefix of at least 1 token, not {self.tokens}")

    def apply(self, model: Backbone, seed: int) -> Adapted:
        check_takes_prefix(model, "a prefix")
        # On a skeleton nothing can be run, so only the shapes of the prefix are made.
        on_shapes = model.card.device == "none"
        keys, values = _empty(model, self.tokens) if on_shapes else _initial(model, self.tokens, seed)
        parameters = {}
        for block in range(len(keys)):
            parameters[f"prefix.{block}.key"] = nn.Parameter(keys[block])
            parameters[f"prefix.{block}.value"] = nn.Parameter(values[block])
        learned = LearnedPrefix(
            tuple(parameters[f"prefix.{block}.key"] for block in range(len(keys))),
            tuple(parameters[f"prefix.{block}.value"] for block in range(len(keys))),
            # Attention over a prefix is one product for all runs, and so is its dropout mask.
            stacks=not drops_attention(model),
        )
        return Adapted(model.patched(learned), parameters)

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        from peft import PrefixTuningConfig

        refuse_head(self.name, target)
        blocks = sum(name.endswith(".key") for name in trained)
        keys, values = ([trained[f"prefix.{block}.{kind}"] for block in range(blocks)] for kind in ("key", "value"))
        return Stored(_rows(keys, values), PrefixTuningConfig(**_sizes(keys), **target.common()))

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        blocks, heads = len(adapted.parameters) // 2, adapted.parameters["prefix.0.key"].shape[0]
        keys, values = keys_and_values(stored, blocks, heads)
        return {
            f"prefix.{block}.{kind}": each
            for kind, tensors in (("key", keys), ("value", values))
            for block, each in enumerate(tensors)
        }

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> None:
        return None

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(count(parameters), kept=0.85)


def cartridge(prefix: LearnedPrefix, target: Target) -> Stored:
    """A prefix whose first positions are not trained, in PEFT's format (CartridgeConfig)."""
    from peft import CartridgeConfig

    whole = prefix.prefix_in(torch.float32)
    frozen = prefix.tokens - prefix.keys[0].shape[1]
    config = CartridgeConfig(num_frozen_tokens=frozen, **_sizes(whole.keys), **target.common())
    return Stored(_rows(whole.keys, whole.values), config)


def keys_and_values(stored: Mapping[str, Tensor], blocks: int, heads: int) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Keys and values by block, each kv_heads x tokens x head_dim, from PEFT's table.

    The table is tokens x (blocks * 2 * kv_heads * head_dim), keys before values in each block.
    """
    table = stored["prompt_embeddings"]
    pairs = table.view(table.shape[0], 2 * blocks, heads, -1).permute(1, 2, 0, 3)
    return pairs[0::2].unbind(0), pairs[1::2].unbind(0)


def _rows(keys: Sequence[Tensor], values: Sequence[Tensor]) -> dict[str, Tensor]:
    """PEFT's table (see `keys_and_values`)."""
    pairs = [each.detach().cpu() for pair in zip(keys, values, strict=True) for each in pair]
    return {"prompt_embeddings": torch.stack(pairs).permute(2, 0, 1, 3).flatten(1)}


def _sizes(keys: Sequence[Tensor]) -> dict[str, int]:
    heads, tokens, size = keys[0].shape
    return {
        "num_virtual_tokens": tokens,
        "num_layers": len(keys),
        "num_attention_heads": heads,
        "token_dim": heads * size,
    }


def check_takes_prefix(model: Backbone, what: str) -> None:
    """Raises UserError where no learned prefix can precede the model's texts.

    Of a model that is not loaded only its family is known: whether it packs is tested when it is loaded.
    """
    card = model.card
    if "text" not in card.abilities:
        raise UserError(f"{what} needs a causal model, and {card.name} is of the family {card.family}")
    if "prefix" not in card.abilities:
        raise UserError(f"{card.architecture} reads whole padded prompts and cannot take {what}: take lora")


def drops_attention(model: Backbone) -> bool:
    """Whether attention has dropout in training."""
    settings = vars(model.config)
    # By the names of settings: architectures call it attn_pdrop, attention_dropout, attention_probs_dropout_prob.
    rates = [rate for name, rate in settings.items() if "drop" in name and "att" in name and isinstance(rate, float)]
    return any(rate > 0 for rate in rates)


@torch.no_grad()
def _initial(model: Backbone, tokens: int, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """The keys and values of random tokens. Random numbers are far from those of any text, and hardly train."""
    rng, size = random.Random(f"prefix {seed}"), model.vocabulary_size
    start = model.prefix([rng.randrange(size) for _ in range(tokens)])
    return [keys.float().clone() for keys in start.keys], [values.float().clone() for values in start.values]


def _empty(model: Backbone, tokens: int) -> tuple[list[Tensor], list[Tensor]]:
    heads, size = kv_shape(model.config)
    shape = (len(model.blocks()), heads, tokens, size)
    return list(torch.empty(shape, device="meta")), list(torch.empty(shape, device="meta"))
