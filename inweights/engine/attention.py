"""Attention over trees packed end to end after shared prefixes; registered with transformers, no model forked.

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
    **others: Any,  # transformers passes every implementation what any of them takes
) -> tuple[Float[Tensor, "1 tokens heads head_dim"], None]:
    """What transformers calls in the place of its own attention."""
    layout = current()
    if layout is None:  # the module is run by other code, which expects transformers' own attention
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
    far = (
        over_prefixes(query, _index(module), layout, rule) if layout.behind else None
    )  # an encoder's blocks may have no index
    return (joined(near, far) if far else near[0])[None].to(query.dtype), None


class KeysReady(Exception):  # noqa: N818  it ends a block early and is not an error
    """Carries the keys and values of a block that is run for them alone."""


def _near(query: Tensor, key: Tensor, value: Tensor, layout: AttentionLayout, rule: Rule) -> tuple[Tensor, Tensor | None]:
    """Attention of every token inside its own tree; without its log-sum-exp where there is nothing to join it with."""
    draws_by_segment = bool(layout.segments and rule.dropout)
    layout = layout.by_segment if draws_by_segment else layout
    queries, keys, values = (
        [block.transpose(1, 2) for block in grid.unpacked(each[0].transpose(0, 1))]
        for grid, each in ((layout.queries, query), (layout.keys, key), (layout.keys, value))
    )

    def attention(block: int) -> tuple[Tensor, Tensor | None]:
        q, k, v = queries[block], keys[block], values[block]
        mask = near_mask(layout, rule.window, query.dtype, block)
        causal = layout.causal and mask is None
        # Only the queries' own keys are repeated for grouped heads, never the prefix's.
        groups = q.shape[1] // k.shape[1]
        k, v = (each.repeat_interleave(groups, 1) if groups > 1 else each for each in (k, v))
        if layout.behind or rule.softcap is not None:
            return weighed(q, k, v, _spelled_out(mask, causal, q, v, rule), rule, causal)
        return F.scaled_dot_product_attention(q, k, v, mask, rule.dropout, is_causal=causal, scale=rule.scale), None

    if draws_by_segment:  # dropout draws by the size of a block
        by_segment = each_by_run(
            layout.segments, lambda segment: [attention(block) for block in layout.blocks_by_segment[segment]]
        )
        found = list(chain.from_iterable(by_segment))
    else:
        found = [attention(block) for block in range(len(queries))]
    outs, masses = zip(*found, strict=True)
    out = layout.queries.packed([each.transpose(1, 2) for each in outs])
    return out, layout.queries.packed([each.transpose(1, 2) for each in masses]) if layout.behind else None


def _newest(
    query: Tensor, key: Tensor, value: Tensor, layout: AttentionLayout, rule: Rule, index: Layer
) -> tuple[Tensor, Tensor]:
    """Attention of the newest token of every text over the text."""
    assert layout.cache is not None
    keys, values = layout.cache.with_newest(index, key[0], value[0])
    heads, kv_heads = query.shape[1], keys.shape[1]
    # The heads that share a key are queries of that key: texts x kv_heads x group x size.
    folded = query[0].transpose(0, 1).unflatten(1, (kv_heads, heads // kv_heads))
    mask = near_mask(layout, rule.window, query.dtype, 0)
    out, mass = weighed(folded, keys, values, mask, rule, causal=False)
    return out.flatten(1, 2), mass.flatten(1, 2)


def _spelled_out(mask: Tensor | None, causal: bool, q: Tensor, v: Tensor, rule: Rule) -> Tensor | None:
    """The mask, with causality spelled out where no fused kernel serves that has it as an option."""
    if not causal or fused_kernel(q, v, None, rule):
        return mask
    return torch.full((q.shape[2],) * 2, -torch.inf, dtype=q.dtype, device=q.device).triu(1)


def _index(module: nn.Module) -> Layer:
    return Layer(int(module.layer_idx))  # type: ignore[arg-type]
