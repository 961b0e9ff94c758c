"""Attention over trees packed end to end, behind a prefix they share; registered with transformers, no model forked.

The linear layers of a model see one row without padding; only here are its tokens laid out per tree. Attention over
the prefix is one product for all queries, and is joined with attention inside the tree by their log-sum-exp
(Hydragen, Juravsky et al. 2024, arXiv 2402.05099): the prefix's keys and values are never copied per query.
"""

from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from inweights.engine.attention_layout import AttentionLayout, Layer, Span, current
from inweights.engine.stacked_runs import each_by_run

NAME = "inweights"
LARGEST_TABLE = 1 << 26
"""Scores held at once where no fused kernel serves; 256 MiB in fp32."""


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
    **others: Any,  # transformers hands every implementation whatever any of them takes
) -> tuple[Float[Tensor, "1 tokens heads head_dim"], None]:
    """What transformers calls in the place of its own attention."""
    layout = current()
    if layout is None:  # the module is run by others, who expect what transformers does
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
    far = _far(query, _index(module), layout, rule) if layout.behind else None  # an encoder's blocks may have no index
    return (_joined(near, far) if far else near[0])[None].to(query.dtype), None


class KeysReady(Exception):  # noqa: N818  it ends a block early, and is no error
    """The keys and values of a block that is run for them alone."""


@dataclass(frozen=True)
class Rule:
    """What an architecture does to scores before their softmax, and to shares after it."""

    scale: float
    softcap: float | None
    dropout: float
    window: int | None
    """Tokens at most this far back are seen, the token itself counted."""


Part = tuple[Float[Tensor, "tokens heads head_dim"], Float[Tensor, "tokens heads"]]
"""Attention over some of the keys, and the log of the mass that they hold."""


def _near(query: Tensor, key: Tensor, value: Tensor, layout: AttentionLayout, rule: Rule) -> tuple[Tensor, Tensor | None]:
    """Attention of every token inside its own tree; without its mass where there is nothing to join it with."""
    draws_by_segment = bool(layout.segments and rule.dropout)
    layout = layout.by_segment if draws_by_segment else layout
    queries, keys, values = (
        [block.transpose(1, 2) for block in grid.unpacked(each[0].transpose(0, 1))]
        for grid, each in ((layout.queries, query), (layout.keys, key), (layout.keys, value))
    )

    def attention(block: int) -> tuple[Tensor, Tensor | None]:
        q, k, v = queries[block], keys[block], values[block]
        mask = layout.near_mask(rule.window, query.dtype, block)
        causal = layout.causal and mask is None
        # Only the queries' own keys are repeated for grouped heads, never the prefix's.
        groups = q.shape[1] // k.shape[1]
        k, v = (each.repeat_interleave(groups, 1) if groups > 1 else each for each in (k, v))
        if layout.behind or rule.softcap is not None:
            return _weighed(q, k, v, _spelled_out(mask, causal, q, v, rule), rule, causal)
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
    mask = layout.near_mask(rule.window, query.dtype, 0)
    out, mass = _weighed(folded, keys, values, mask, rule, causal=False)
    return out.flatten(1, 2), mass.flatten(1, 2)


def _spelled_out(mask: Tensor | None, causal: bool, q: Tensor, v: Tensor, rule: Rule) -> Tensor | None:
    """Who sees whom as a mask, where no kernel serves that knows it by a word."""
    if not causal or _fused(q, v, None, rule):
        return mask
    return torch.full((q.shape[2],) * 2, -torch.inf, dtype=q.dtype, device=q.device).triu(1)


def _far(query: Tensor, index: Layer, layout: AttentionLayout, rule: Rule) -> Part | None:
    """Attention of every token over the prefix it stands behind, if any."""
    if rule.window == 1:
        return None
    parts: list[tuple[Tensor, Tensor]] = []
    end = 0
    for span in layout.behind:
        parts += [_nothing(query, span, index, end, span.start)] * (span.start > end)
        parts.append(_over_prefix(query[:, :, span.start : span.stop], index, span, layout, rule))
        end = span.stop
    parts += [_nothing(query, layout.behind[0], index, end, query.shape[2])] * (end < query.shape[2])
    outs, masses = zip(*parts, strict=True)
    return parts[0] if len(parts) == 1 else (torch.cat(outs), torch.cat(masses))


def _nothing(query: Tensor, like: Span, index: Layer, start: int, stop: int) -> Part:
    """Of tokens that stand behind no prefix."""
    shape = (stop - start, query.shape[1])
    size = like.prefix.values[index].shape[-1]
    return query.new_zeros(*shape, size), query.new_full(shape, -torch.inf, dtype=torch.float32)


def _over_prefix(query: Tensor, index: Layer, span: Span, layout: AttentionLayout, rule: Rule) -> tuple[Tensor, Tensor]:
    """One row of queries against one copy of the prefix's keys."""
    keys, values = span.prefix.keys[index], span.prefix.values[index]
    mask = None
    if rule.window is not None and rule.window < layout.key_position.shape[1] + keys.shape[1]:
        keys, values = keys[:, 1 - rule.window :], values[:, 1 - rule.window :]
        mask = layout.far_mask(rule.window, keys.shape[1], span, query.dtype)
    # The heads that share a key become queries of that key.
    (_, heads, tokens, dim), kv_heads = query.shape, keys.shape[0]
    folded = query.reshape(1, kv_heads, heads // kv_heads * tokens, dim)
    mask = None if mask is None else mask.repeat(heads // kv_heads, 1)
    out, mass = _weighed(folded, keys[None], values[None], mask, rule, causal=False)
    return out.reshape(heads, tokens, -1).transpose(0, 1), mass.reshape(heads, tokens).transpose(0, 1)


def _joined(near: tuple[Tensor, Tensor | None], far: Part) -> Tensor:
    """Each part weighed by its share of the softmax's mass."""
    assert near[1] is not None
    share = torch.sigmoid(near[1] - far[1])[..., None]
    return torch.lerp(far[0].float(), near[0].float(), share)


def _weighed(
    q: Float[Tensor, "batch heads queries head_dim"],
    k: Float[Tensor, "batch heads keys head_dim"],
    v: Float[Tensor, "batch heads keys value_dim"],
    mask: Float[Tensor, "*batch queries keys"] | None,
    rule: Rule,
    causal: bool,
) -> tuple[Float[Tensor, "batch heads queries value_dim"], Float[Tensor, "batch heads queries"]]:
    """Attention and the log-sum-exp of its scores in fp32. `causal` speaks to fused kernels; else the mask says it."""
    fused = _fused(q, v, mask, rule)
    if fused == "cpu":
        mask = mask[None, None] if mask is not None and mask.ndim == 2 else mask
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, mass = flash(q, k, v, 0.0, causal, attn_mask=mask, scale=rule.scale)
        return out, mass.float()
    if fused == "cuda":
        out, mass, *_ = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, scale=rule.scale)
        return out, mass.float()
    rows = max(1, LARGEST_TABLE // (q.shape[0] * q.shape[1] * k.shape[2]))
    if q.shape[2] <= rows or torch.is_grad_enabled():  # backward keeps every table anyway
        return _table(q, k, v, mask, rule)
    pieces = q.split(rows, 2)
    masks = [None] * len(pieces) if mask is None else mask.split(rows, -2)
    parts = [_table(piece, k, v, part, rule) for piece, part in zip(pieces, masks, strict=True)]
    return torch.cat([out for out, _ in parts], 2), torch.cat([mass for _, mass in parts], 2)


def _table(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rule: Rule) -> tuple[Tensor, Tensor]:
    """With every score written out."""
    scores = (q @ k.transpose(-1, -2)).float() * rule.scale
    if rule.softcap is not None:
        scores = rule.softcap * torch.tanh(scores / rule.softcap)
    if mask is not None:
        scores = scores + mask.float()
    mass = scores.logsumexp(-1)
    shares = F.dropout(scores.softmax(-1), rule.dropout)
    return (shares.to(v.dtype) @ v).float(), mass


def _fused(q: Tensor, v: Tensor, mask: Tensor | None, rule: Rule) -> str | None:
    """Whose kernel gives the log-sum-exp too; none is differentiable in it, none knows a soft cap."""
    if rule.softcap is not None or rule.dropout or torch.is_grad_enabled() or q.shape[-1] != v.shape[-1]:
        return None
    if q.device.type == "cpu":
        return "cpu"
    half = q.dtype in (torch.bfloat16, torch.float16) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 256
    if q.device.type == "cuda" and half and mask is None and torch.cuda.get_device_capability(q.device) >= (8, 0):
        return "cuda"
    return None


def _index(module: nn.Module) -> Layer:
    return Layer(int(module.layer_idx))  # type: ignore[arg-type]
