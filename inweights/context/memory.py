"""How many tokens one pass may have, so that a model of 300M parameters learns within 2.5 GB."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from inweights.engine.trees import Tree
from inweights.models.base import Backbone
from inweights.models.training_forward import TrainingForward

TRAINING = {"cpu": 0.7e9, "cuda": 6e9}
"""Bytes that a training pass may keep for its backward pass."""
LOGITS = {"cpu": 1 << 26, "cuda": 1 << 29}
"""Bytes of one table of logits, of which a pass without gradients makes about five."""
ALLOCATED = 1.6
"""Memory that is taken for each byte of tensors: SmolLM2 keeps 1.29 MB a token, and its process grows by 2.0 MB."""
MINIMUM, MAXIMUM = 256, 8192


def reading_tokens(model: Backbone) -> int:
    """Tokens of a pass without gradients, should logits be computed at every one of them."""
    return _within(4 * reads_at_once(model))


def reads_at_once(model: Backbone) -> int:
    """Positions with logits of the whole vocabulary in memory, where a training pass holds them all."""
    return max(32, int(_budget(LOGITS, model)) // (4 * model.vocabulary_size))


def training_budget(model: Backbone) -> float:
    return _budget(TRAINING, model)


def kept_bytes(
    forward: TrainingForward, model: Backbone, parameters: Mapping[str, nn.Parameter], trees: Sequence[Tree]
) -> int:
    """What a forward pass keeps for its backward pass, beside weights; every tensor is counted once."""
    weights = {each.untyped_storage().data_ptr() for each in (*model.module.parameters(), *parameters.values())}
    kept: dict[int, int] = {}

    def seen(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(seen, lambda tensor: tensor):
        forward.hidden_states({0: trees})
    return round(ALLOCATED * sum(kept.values()))


def _within(tokens: float) -> int:
    return int(min(max(tokens, MINIMUM), MAXIMUM))


def _budget(sizes: Mapping[str, float], model: Backbone) -> float:
    return sizes.get(model.device.type, sizes["cpu"])
