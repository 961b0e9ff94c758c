"""How many tokens one forward pass may have, so that a model of 300M parameters learns within 2.5 GB."""

from inweights.models.base import Backbone

ACTIVATIONS = {"cpu": 1 << 27, "cuda": 1 << 30}
"""Bytes of the blocks' inputs that a training pass keeps; within a block, as much again for a short time."""
LOGITS = {"cpu": 1 << 26, "cuda": 1 << 29}
"""Bytes of one table of logits in a training pass, of which the loss and its gradient make about five."""
MINIMUM, MAXIMUM = 256, 8192


def training_tokens(model: Backbone) -> int:
    """Tokens of a training pass whose blocks are checkpointed."""
    kept = 8 * len(model.blocks()) * model.hidden_size
    return _within(_budget(ACTIVATIONS, model) // kept)


def training_reads(model: Backbone) -> int:
    """Positions of a training pass at which logits of the whole vocabulary are computed."""
    return max(32, _budget(LOGITS, model) // (4 * _vocabulary(model)))


def reading_tokens(model: Backbone) -> int:
    """Tokens of a pass without gradients, should logits be computed at every one of them."""
    return _within(4 * training_reads(model))


def _within(tokens: int) -> int:
    return min(max(tokens, MINIMUM), MAXIMUM)


def _budget(sizes: dict[str, int], model: Backbone) -> int:
    return sizes.get(model.device.type, sizes["cpu"])


def _vocabulary(model: Backbone) -> int:
    return model.vocabulary_size
