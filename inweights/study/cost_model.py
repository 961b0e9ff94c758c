"""The time of a backbone's passes on this machine, and the memory that they keep, from its shapes alone.

Time is that of the matrix products (2 operations per weight and token forward, 2 for the gradient of what goes in, 2 for
that of a weight that trains: Kaplan et al. 2020, arXiv 2001.08361, 2.1) at the rate that the machine does such products,
of the passes over activations and parameters at the rate that it copies, and of starting kernels. What is kept for the
backward pass was measured. `python -m benchmarks plan` holds all of it beside what runs take.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from torch import Tensor, nn

from inweights.models.skeleton import skeleton
from inweights.study.machine import copy_rate, device, matrix_rate

SECONDS_PER_BLOCK = 2e-4
"""Seconds to start the kernels of one transformer block of any size; a backward pass starts twice as many."""
LAST_BLOCK = 0.25
"""Share of the last block that is run for tokens that are not read: keys and values."""
LOW_RANK_RATE = 0.15
"""Share of the matrix rate at which products with few columns run: they are limited by memory bandwidth."""
FORWARD_BYTES, BACKWARD_BYTES = 220, 260
"""Bytes that element-wise operations and attention read and write, per token, block and unit of width."""
UPDATE_BYTES = 60
"""Bytes that clipping, the optimizer and gradients read and write per trained number."""
PRODUCTS = 0.9
"""Share of the matrix rate that a model's products reach, since other data passes through the caches between them."""
KEPT_BYTES, KEPT_BYTES_GATED = 85, 125
"""Bytes kept for the backward pass, per token, block and unit of width; gated feed-forward layers keep more."""


@dataclass(frozen=True)
class ModelShape:
    """The properties of a backbone that its time depends on."""

    width: int
    blocks: int
    weights: int
    """Weights that every token is multiplied with: not embeddings, which are looked up, and the LM head, which is only used
    at positions that are read."""
    vocabulary: int
    gated: bool
    key_width: int
    """Size of a block's keys, and of its values: smaller than `width` where heads share them."""

    def forward(self, tokens: float, passes: float, blocks: float | None = None, before: float = 0.0) -> float:
        """Seconds of passes over `tokens` tokens in all through the last `blocks` blocks; `before`: tokens of a prefix."""
        run = (self.blocks if blocks is None else blocks) - 1 + LAST_BLOCK
        flop = (2 * self.weights / self.blocks + 4 * self.width * before) * run * tokens
        moved = FORWARD_BYTES * tokens * self.width * run
        started = SECONDS_PER_BLOCK * run * passes
        return flop / self._rate(tokens / passes) + moved / copy_rate() + started

    def backward(self, tokens: float, passes: float, blocks: float, trained: float) -> float:
        """Seconds; `trained`: weights whose gradient is a product."""
        run = blocks - 1 + LAST_BLOCK
        flop = (2 * self.weights / self.blocks * run + 2 * trained) * tokens
        moved = BACKWARD_BYTES * tokens * self.width * run
        return flop / self._rate(tokens / passes) + moved / copy_rate() + 2 * SECONDS_PER_BLOCK * run * passes

    def low_rank(self, tokens: float, numbers: float) -> float:
        """Seconds of the products that LoRA or adapters add, forward and backward."""
        return 6 * numbers * tokens / (LOW_RANK_RATE * matrix_rate(self.width, 1024))

    def _rate(self, tokens: float) -> float:
        # By powers of two: a rate is measured once for all runs that are about as large. A CPU multiplies no faster above
        # 1,024 rows, and measuring more of them would take longer than a short run.
        size = 1 << min(12 if device() == "cuda" else 10, max(5, round(tokens).bit_length()))
        return PRODUCTS * matrix_rate(self.width, size)

    def update(self, numbers: float) -> float:
        """Seconds of clipping and an optimizer's step over `numbers` numbers."""
        return UPDATE_BYTES * numbers / copy_rate()

    def kept_bytes(self, tokens: float, blocks: float) -> float:
        """Bytes that a training pass of full fine-tuning keeps for its backward pass."""
        return (KEPT_BYTES_GATED if self.gated else KEPT_BYTES) * self.width * tokens * blocks


@lru_cache
def shape_of(name: str) -> ModelShape:
    model = skeleton(name)
    module, config = model.module, model.config
    head = model.output_embeddings
    aside = [each.weight for each in module.modules() if isinstance(each, nn.Embedding)]
    aside += [] if head is None else [cast(Tensor, head.weight)]
    left_out = {id(weight) for weight in aside}
    weights = sum(parameter.numel() for parameter in module.parameters() if id(parameter) not in left_out)
    gated = any("gate" in name for name, _ in module.named_modules())
    vocabulary, blocks = 0 if head is None else int(config.vocab_size), int(config.num_hidden_layers)
    return ModelShape(model.hidden_size, blocks, weights, vocabulary, gated, _key_width(config, model.hidden_size))


def _key_width(config: Any, width: int) -> int:
    settings = config.to_dict()
    heads = settings.get("num_attention_heads") or 1
    return int((settings.get("num_key_value_heads") or heads) * (settings.get("head_dim") or width // heads))
