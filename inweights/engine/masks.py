"""Additive attention masks of a layout, each made once for all layers that share it."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inweights.engine.attention_layout import AttentionLayout, Span


def near_mask(
    layout: AttentionLayout, window: int | None, dtype: torch.dtype, block: int
) -> Float[Tensor, "trees 1 queries keys"] | None:
    """Added to scores inside the trees of a block; None where `layout.causal` says all (see `AttentionLayout.causal`)."""
    group = layout.keys.groups[block]
    far = layout.key_position.shape[1] if layout.cache else layout.keys.blocks[block][1]
    if window is not None and window >= far:  # no tree of the block is longer than the window
        window = None
    whole = layout.visible is None and (layout.causal or all(layout.keys.lengths[tree] == far for tree in group))
    if window is None and whole:
        return None
    key = ("near", window, dtype, block)
    if key not in layout.masks:
        rows, times = list(group), layout.queries.blocks[block][1]
        position, key_position = layout.position[rows, :times], layout.key_position[rows, :far]
        visible = _visible(layout, rows, times, far)
        if window is not None:
            visible = visible & (position[:, :, None] - key_position[:, None, :] < window)
        layout.masks[key] = torch.zeros(visible.shape, dtype=dtype, device=visible.device)
        layout.masks[key].masked_fill_(~visible, -torch.inf)
        layout.masks[key] = layout.masks[key][:, None]
    return layout.masks[key]


def far_mask(
    layout: AttentionLayout, window: int, keys: int, span: Span, dtype: torch.dtype
) -> Float[Tensor, "tokens keys"]:
    """Added to scores of the span's tokens against the last `keys` tokens of its prefix, in a sliding window.

    The mask is finite where a token is out of reach. A token may reach none of the prefix, and with -inf its softmax
    over nothing and every gradient through it would be NaN. Joined by log-sum-exp, such a part still weighs exactly 0.
    """
    key = ("far", window, keys, span.start, dtype)
    if key not in layout.masks:
        # Index of every token of the row into the table of positions, which has a row per tree.
        width = layout.position.shape[1]
        places = [tree * width + at for tree, size in enumerate(layout.queries.lengths) for at in range(size)]
        row = torch.tensor(places[span.start : span.stop], device=layout.position.device)
        position = layout.position.flatten()[row]
        # A tree's position 0 comes right after the prefix's last token.
        distance = position[:, None] + keys - torch.arange(keys, device=position.device)
        mask = torch.zeros(distance.shape, dtype=dtype, device=distance.device)
        layout.masks[key] = mask.masked_fill_(distance >= window, torch.finfo(dtype).min / 2)
    return layout.masks[key]


def _visible(layout: AttentionLayout, group: Sequence[int], times: int, far: int) -> Bool[Tensor, "trees queries keys"]:
    """Which query may attend to which key in some of the trees, up to the length of their block."""
    if layout.visible is not None:
        return layout.visible[group, :times, :far]
    places = torch.arange(far, device=layout.position.device)
    if layout.causal:
        return (places <= places[:times, None]).expand(len(group), -1, -1)
    lengths = torch.tensor([layout.keys.lengths[tree] for tree in group], device=layout.position.device)
    return (places < lengths[:, None])[:, None].expand(-1, times, -1)
