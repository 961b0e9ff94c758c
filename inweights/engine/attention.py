"""Attention over trees packed end to end, with shared prefixes; registered with transformers, so that no model is forked.

The linear layers of a model see one row without padding; only here are its tokens laid out per tree. Attention over
the prefix is one product for all queries, and is joined with attention inside the tree by their log-sum-exp
(Hydragen, Juravsky et al. 2024, arXiv 2402.05099): the prefix's keys and values are never copied per query.
"""

from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inweights.engine.attention_kernels import Rule, fused_kernel, joined, weighed
from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.current_layout import current
from inweights.engine.masks import near_mask
from inweights.engine.prefix_attention import over_prefixes
from inweights.engine.stacked_runs import each_by_run
from inweights.engine.trees import Layer

NAME = "inweights"


def register() -> None:
    """Make `NAME` an attention implementation of transformers."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    def mask(*arguments: Any, **options: Any) -> Tensor | None:
        return None if current() else sdpa_mask(*arguments, **options)

    AttentionInterface.register(NAME, attend)
    AttentionMaskInterface.register(NAME, mask)


def attend(
    module: nn.Module,
    query: Float[Tensor, "1 heads tokens head_dim"],
    key: Float[Tensor, "1 kv_heads tokens head_dim"],
    value: Float[Tensor, "1 kv_heads tokens head_dim"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,  # transformers passes all options to every implementation
) -> tuple[Float[Tensor, "1 tokens heads head_dim"], None]:
    """The function that transformers calls instead of its own attention."""
    layout = current()
    if layout is None:  # other code runs the module and expects transformers' own attention
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        others |= {"sliding_window": sliding_window, "softcap": softcap}
        out: Tensor = sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **others)[0]
        return out, None
    if layout.captured is not None:
        layout.captured[_index(module)] = (key[0].contiguous(), value[0].contiguous())
    if layout.stops_at_keys:
        raise KeysReady(key, value)
    if layout.known is not None:
        key, value = layout.known
    rule = Rule(scaling if scaling is not None else query.shape[-1] ** -0.5, softcap, dropout, sliding_window)
    if layout.cache:
        near: tuple[Tensor, Tensor | None] = _newest(query, key, value, layout, rule, _index(module))
    else:
        near = _near(query, key, value, layout, rule)
    # An encoder has no prefixes, and its attention modules may have no `layer_idx` to look one up with.
    far = over_prefixes(query, _index(module), layout, rule) if layout.prefix_spans else None
    return (joined(near, far) if far else near[0])[None].to(query.dtype), None


class KeysReady(Exception):  # noqa: N818  it ends a block early and is not an error
    """Carries the keys and values out of a block that is run only to get them."""


def _near(query: Tensor, key: Tensor, value: Tensor, layout: AttentionLayout, rule: Rule) -> tuple[Tensor, Tensor | None]:
    """Attention of every token inside its tree; its log-sum-exp only where there is a prefix to join it with."""
    # torch draws one dropout mask per block, so its random numbers depend on the block's size. With several runs in the
    # row, each run gets the blocks that it would have alone, and therefore the same mask.
    draws_by_segment = bool(layout.segments and rule.dropout)
    layout = layout.by_segment if draws_by_segment else layout
    # From 1 x heads x tokens x head_dim to blocks of trees x heads x places x head_dim.
    queries, keys, values = (
        [block.transpose(1, 2) for block in ragged.unpacked(row[0].transpose(0, 1))]
        for ragged, row in ((layout.queries, query), (layout.keys, key), (layout.keys, value))
    )

    def attention(block: int) -> tuple[Tensor, Tensor | None]:
        q, k, v = queries[block], keys[block], values[block]
        mask = near_mask(layout, rule.window, query.dtype, block)
        causal = layout.causal and mask is None
        # Grouped heads: only the few keys inside trees are repeated for every head, never those of a prefix.
        groups = q.shape[1] // k.shape[1]
        k, v = (table.repeat_interleave(groups, 1) if groups > 1 else table for table in (k, v))
        # torch's own function returns no log-sum-exp and knows no soft cap, but is the fastest where it suffices.
        if layout.prefix_spans or rule.softcap is not None:
            return weighed(q, k, v, _spelled_out(mask, causal, q, v, rule), rule, causal)
        return F.scaled_dot_product_attention(q, k, v, mask, rule.dropout, is_causal=causal, scale=rule.scale), None

    if draws_by_segment:
        by_segment = each_by_run(
            layout.segments, lambda segment: [attention(block) for block in layout.blocks_by_segment[segment]]
        )
        attended = list(chain.from_iterable(by_segment))
    else:
        attended = [attention(block) for block in range(len(queries))]
    outs, masses = zip(*attended, strict=True)
    out = layout.queries.packed([block.transpose(1, 2) for block in outs])
    return out, layout.queries.packed([block.transpose(1, 2) for block in masses]) if layout.prefix_spans else None


def _newest(
    query: Tensor, key: Tensor, value: Tensor, layout: AttentionLayout, rule: Rule, index: Layer
) -> tuple[Tensor, Tensor]:
    """While decoding: attention of the newest token of every text over that text, by its KV cache."""
    assert layout.cache is not None
    keys, values = layout.cache.with_newest(index, key[0], value[0])
    heads, kv_heads = query.shape[1], keys.shape[1]
    # There is one query per text, so the heads that share a key can stand in the axis of queries:
    # texts x kv_heads x heads per key x head_dim. No key is repeated.
    folded = query[0].transpose(0, 1).unflatten(1, (kv_heads, heads // kv_heads))
    mask = near_mask(layout, rule.window, query.dtype, 0)
    out, mass = weighed(folded, keys, values, mask, rule, causal=False)
    return out.flatten(1, 2), mass.flatten(1, 2)


def _spelled_out(mask: Tensor | None, causal: bool, q: Tensor, v: Tensor, rule: Rule) -> Tensor | None:
    """The mask, with causality written into it where no fused kernel is used: only those have it as an option."""
    if not causal or fused_kernel(q, v, None, rule):
        return mask
    return torch.full((q.shape[2],) * 2, -torch.inf, dtype=q.dtype, device=q.device).triu(1)


def _index(module: nn.Module) -> Layer:
    return Layer(int(module.layer_idx))  # type: ignore[arg-type]
