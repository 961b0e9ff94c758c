"""Attention over trees packed end to end, behind a prefix they share; registered with transformers, no model forked.

The linear layers of a model see one row without padding; only here are its tokens laid out per tree. Attention over
the prefix is one matrix product for all queries, and is joined with attention inside the tree by their log-sum-exp
(Hydragen, Juravsky et al. 2024, arXiv 2402.05099): the prefix's keys and values are never copied per query.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from inweights.models.base import Prefix, Tree

NAME = "inweights"


@dataclass(frozen=True)
class Layout:
    """How the row of one forward pass falls into trees."""

    unpack: Int[Tensor, "trees time"]
    """Index into the row; 0 where a tree is shorter than the longest."""
    pack: Int[Tensor, "tokens"]
    """Index into trees * time."""
    depth: Int[Tensor, "trees time"]
    """Position of a token in its tree, the same for the first token of every branch."""
    mask: Bool[Tensor, "trees 1 time time"] | None
    """Who sees whom; None where causal order says it all, which it does without branches."""
    prefix: Prefix | None
    captured: dict[int, tuple[Tensor, Tensor]] | None
    """Where keys and values are put, by layer, when this pass is to become a prefix."""


_layout: ContextVar[Layout] = ContextVar("layout")


@contextmanager
def laid_out(layout: Layout) -> Iterator[None]:
    """The layout that `attend` follows within; many architectures do not hand extra arguments down to attention."""
    token = _layout.set(layout)
    try:
        yield
    finally:
        _layout.reset(token)


def layout_of(
    trees: Sequence[Tree],
    device: torch.device,
    prefix: Prefix | None = None,
    captured: dict[int, tuple[Tensor, Tensor]] | None = None,
) -> Layout:
    lengths = torch.tensor([len(tree) for tree in trees])
    time = int(lengths.max())
    inside = torch.arange(time)[None] < lengths[:, None]
    starts = lengths.cumsum(0) - lengths
    unpack = torch.where(inside, starts[:, None] + torch.arange(time)[None], 0)
    depth = torch.zeros(len(trees), time, dtype=torch.long)
    branched = any(tree.branches for tree in trees)
    mask = torch.ones(time, time, dtype=torch.bool).tril().repeat(len(trees), 1, 1) if branched else None
    for row, tree in enumerate(trees):
        depth[row, : len(tree)] = torch.tensor(positions(tree))
        if mask is not None:
            start = len(tree.stem)
            for branch in tree.branches:
                mask[row, start + len(branch) :, start : start + len(branch)] = False
                start += len(branch)
            # A padded row sees itself, so that its softmax is not empty; nobody reads it.
            mask[row].diagonal().fill_(True)
    return Layout(
        unpack.to(device),
        inside.flatten().nonzero()[:, 0].to(device),
        depth.to(device),
        None if mask is None else mask[:, None].to(device),
        prefix,
        captured,
    )


def positions(tree: Tree) -> list[int]:
    """Every branch goes on where the stem ends."""
    stem = len(tree.stem)
    return [*range(stem), *(stem + i for branch in tree.branches for i in range(len(branch)))]


def attend(
    module: torch.nn.Module,
    query: Float[Tensor, "1 heads tokens head_dim"],
    key: Float[Tensor, "1 kv_heads tokens head_dim"],
    value: Float[Tensor, "1 kv_heads tokens head_dim"],
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **_: object,  # transformers hands every implementation whatever any of them takes
) -> tuple[Float[Tensor, "1 tokens heads head_dim"], None]:
    """What transformers calls in the place of its own attention."""
    layout = _layout.get()
    index = int(module.layer_idx)  # type: ignore[arg-type]
    if layout.captured is not None:
        layout.captured[index] = (key[0], value[0])
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    q, k, v = (each[0][:, layout.unpack].transpose(0, 1) for each in (query, key, value))
    window = sliding_window if sliding_window and sliding_window < _reach(layout) else None
    mask = layout.mask if window is None else _windowed(layout, window)
    if layout.prefix is None and softcap is None:
        out = F.scaled_dot_product_attention(
            q, k, v, mask, dropout, is_causal=mask is None, scale=scale, enable_gqa=q.shape[1] != k.shape[1]
        )
    else:
        out, weight = _attention(q, k, v, mask, scale, softcap, dropout, causal=mask is None)
        if layout.prefix is not None:
            out = _joined(out, weight, q, layout, index, scale, softcap, window, dropout)
    heads, dim = out.shape[1], out.shape[3]
    packed = out.transpose(1, 2).reshape(-1, heads, dim)[layout.pack]
    return packed[None].to(query.dtype), None


def _joined(
    out: Tensor,
    weight: Tensor,
    q: Tensor,
    layout: Layout,
    index: int,
    scale: float,
    softcap: float | None,
    window: int | None,
    dropout: float,
) -> Tensor:
    """Attention over the tree and over the prefix, each weighed by its share of the softmax's mass."""
    assert layout.prefix is not None
    keys, values = layout.prefix.keys[index], layout.prefix.values[index]
    trees, heads, time, dim = q.shape
    # One long row of queries against one copy of the prefix: a single matrix product per key head.
    row = q.transpose(0, 1).reshape(1, heads, trees * time, dim)
    seen = None
    if window is not None:
        distance = layout.depth.flatten()[:, None] + keys.shape[1] - torch.arange(keys.shape[1], device=q.device)
        seen = (distance < window)[None, None]
    far, far_weight = _attention(row, keys[None], values[None], seen, scale, softcap, dropout, causal=False)
    far = far.reshape(heads, trees, time, dim).transpose(0, 1)
    far_weight = far_weight.reshape(heads, trees, time).transpose(0, 1)
    share = torch.sigmoid(weight - far_weight)[..., None]
    return share * out + (1 - share) * far


def _attention(
    q: Float[Tensor, "batch heads queries head_dim"],
    k: Float[Tensor, "batch kv_heads keys head_dim"],
    v: Float[Tensor, "batch kv_heads keys head_dim"],
    mask: Tensor | None,
    scale: float,
    softcap: float | None,
    dropout: float,
    causal: bool,
) -> tuple[Float[Tensor, "batch heads queries head_dim"], Float[Tensor, "batch heads queries"]]:
    """Attention in fp32 and the log-sum-exp of its scores, the weight by which it joins another part."""
    batch, heads, queries, dim = q.shape
    groups = heads // k.shape[1]
    if q.device.type == "cpu" and softcap is None and mask is None and not dropout and not torch.is_grad_enabled():
        k, v = (each.repeat_interleave(groups, 1) if groups > 1 else each for each in (k, v))
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, weight = flash(q, k, v, 0.0, causal, scale=scale)
        return out.float(), weight.float()
    grouped = q.reshape(batch, k.shape[1], groups * queries, dim)
    scores = (grouped @ k.transpose(-1, -2)).float().view(batch, heads, queries, k.shape[2]) * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if causal:
        mask = torch.ones(queries, k.shape[2], dtype=torch.bool, device=q.device).tril()
    if mask is not None:
        # Finite, so that a row that sees nothing (a prefix out of a window's reach) has no mass, and no NaN either.
        scores = scores.masked_fill(~mask, -1e9)
    weight = scores.logsumexp(-1)
    shares = F.dropout((scores - weight[..., None]).exp(), dropout)
    out = shares.to(v.dtype).view(batch, k.shape[1], groups * queries, k.shape[2]) @ v
    return out.float().view(batch, heads, queries, dim), weight


def _windowed(layout: Layout, window: int) -> Bool[Tensor, "trees 1 time time"]:
    near = layout.depth[:, :, None] - layout.depth[:, None, :] < window
    mask = layout.mask[:, 0] if layout.mask is not None else torch.ones_like(near).tril()
    return (mask & near)[:, None]


def _reach(layout: Layout) -> int:
    """The longest sequence that any token of this pass looks back over."""
    return layout.depth.shape[1] + (len(layout.prefix.ids) if layout.prefix else 0)
