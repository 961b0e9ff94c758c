"""The KV cache of texts that are being continued: keys and values by layer, with room for more tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.trees import Layer

STEP = 64
"""Tokens by which the cache grows."""


@dataclass
class KVCache:
    """`keys[layer][text, head, place]`.

    Texts have different lengths and share a table: places from a text's length on hold nothing, and the mask hides them
    (`layouts.step_layout`).
    """

    keys: dict[Layer, Float[Tensor, "texts kv_heads places head_dim"]]
    values: dict[Layer, Float[Tensor, "texts kv_heads places head_dim"]]
    lengths: list[int]
    """Tokens of each text, without the one that is being read. `with_newest` writes at this place in every layer, so it
    may only grow after the last layer (`decoding.py`)."""

    @classmethod
    def of(cls, captured: Mapping[Layer, tuple[Tensor, Tensor]], lengths: Sequence[int]) -> "KVCache":
        """From the keys and values of texts packed end to end: kv_heads x tokens x head_dim."""
        # Room for at least one more token, so that the first step does not have to copy the cache.
        places = STEP * (1 + max(lengths) // STEP)

        def side_by_side(row: Tensor) -> Tensor:
            # Zeros, not empty memory: a masked place still weighs 0 times its value, and 0 times NaN is NaN.
            table = row.new_zeros(len(lengths), row.shape[0], places, row.shape[2])
            for text, part in enumerate(row.split(list(lengths), 1)):
                table[text, :, : lengths[text]] = part
            return table

        keys = {layer: side_by_side(pair[0]) for layer, pair in captured.items()}
        return cls(keys, {layer: side_by_side(pair[1]) for layer, pair in captured.items()}, list(lengths))

    def keep(self, texts: Sequence[int]) -> None:
        """Keep only those texts; the others have ended."""
        if len(texts) == len(self.lengths):
            return
        self.lengths = [self.lengths[text] for text in texts]
        for tables in (self.keys, self.values):
            for layer, table in tables.items():
                tables[layer] = table[list(texts)]

    def with_newest(
        self, layer: Layer, key: Float[Tensor, "kv_heads texts head_dim"], value: Float[Tensor, "kv_heads texts head_dim"]
    ) -> tuple[Tensor, Tensor]:
        """Write the newest token of each text, and return all keys and values of the layer up to the longest text's end."""
        end = max(self.lengths) + 1
        places = torch.tensor(self.lengths, device=key.device)
        texts = torch.arange(len(places), device=key.device)
        for tables, newest in ((self.keys, key), (self.values, value)):
            # Grown by steps: padding copies the whole table, which would be too much for every token.
            if tables[layer].shape[2] < end:
                tables[layer] = torch.nn.functional.pad(tables[layer], (0, 0, 0, STEP))
            # One write for all texts, each at its own length.
            tables[layer][texts, :, places] = newest.transpose(0, 1)
        return self.keys[layer][:, :, :end], self.values[layer][:, :, :end]
