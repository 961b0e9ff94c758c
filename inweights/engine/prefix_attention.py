"""Attention over shared prefixes: one product for all queries of a span, without a copy of the prefix per query."""

import torch
from torch import Tensor

from inweights.engine.attention_kernels import Part, Rule, weighed
from inweights.engine.attention_layout import AttentionLayout, Span
from inweights.engine.masks import far_mask
from inweights.engine.trees import Layer


def over_prefixes(query: Tensor, index: Layer, layout: AttentionLayout, rule: Rule) -> Part | None:
    """Attention of every token over its prefix, in the order of the row; None where no token can reach one."""
    if rule.window == 1:  # every token attends to itself alone
        return None
    parts: list[tuple[Tensor, Tensor]] = []
    end = 0
    for span in layout.prefix_spans:
        parts += [_none(query, span, index, end, span.start)] * (span.start > end)
        parts.append(_over_prefix(query[:, :, span.start : span.stop], index, span, layout, rule))
        end = span.stop
    parts += [_none(query, layout.prefix_spans[0], index, end, query.shape[2])] * (end < query.shape[2])
    outs, masses = zip(*parts, strict=True)
    return parts[0] if len(parts) == 1 else (torch.cat(outs), torch.cat(masses))


def _none(query: Tensor, like: Span, index: Layer, start: int, stop: int) -> Part:
    """For tokens without a prefix: a part that weighs nothing, since its log-sum-exp is -inf."""
    shape = (stop - start, query.shape[1])
    size = like.prefix.values[index].shape[-1]
    return query.new_zeros(*shape, size), query.new_full(shape, -torch.inf, dtype=torch.float32)


def _over_prefix(query: Tensor, index: Layer, span: Span, layout: AttentionLayout, rule: Rule) -> tuple[Tensor, Tensor]:
    """One row of queries against one copy of the prefix's keys."""
    keys, values = span.prefix.keys[index], span.prefix.values[index]
    mask = None
    if rule.window is not None and rule.window < layout.key_position.shape[1] + keys.shape[1]:
        # A window counts the token itself, so even the first token of a tree reaches window - 1 tokens of the prefix.
        keys, values = keys[:, 1 - rule.window :], values[:, 1 - rule.window :]
        mask = far_mask(layout, rule.window, keys.shape[1], span, query.dtype)
    # Heads that share a key become further queries of that key: kv_heads x (heads per key * tokens) x head_dim. So grouped
    # heads need no copy of the prefix's keys either.
    (_, heads, tokens, dim), kv_heads = query.shape, keys.shape[0]
    folded = query.reshape(1, kv_heads, heads // kv_heads * tokens, dim)
    mask = None if mask is None else mask.repeat(heads // kv_heads, 1)
    out, mass = weighed(folded, keys[None], values[None], mask, rule, causal=False)
    return out.reshape(heads, tokens, -1).transpose(0, 1), mass.reshape(heads, tokens).transpose(0, 1)
