"""Attention of given queries, keys and values, with the log-sum-exp of its scores where parts are to be joined."""

from dataclasses import dataclass
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inweights.engine.products import linear, onednn_is_faster

LARGEST_TABLE = 1 << 26
"""Maximum number of scores in memory where no fused kernel can be used; 256 MiB in fp32."""
SCORES_IN_PRODUCTS = 1 << 17
"""Scores of a head from which on products pay."""
QUERIES_IN_CACHE = 512


@dataclass(frozen=True)
class Rule:
    """What an architecture does to scores before their softmax, and to the weights after it."""

    scale: float
    softcap: float | None
    dropout: float
    window: int | None
    """Number of tokens that a token attends to, itself included."""


Part = tuple[Float[Tensor, "tokens heads head_dim"], Float[Tensor, "tokens heads"]]
"""Attention over some of the keys, and the log-sum-exp of their scores."""


def weighed(
    q: Float[Tensor, "batch heads queries head_dim"],
    k: Float[Tensor, "batch heads keys head_dim"],
    v: Float[Tensor, "batch heads keys value_dim"],
    mask: Float[Tensor, "*batch queries keys"] | None,
    rule: Rule,
    causal: bool,
) -> tuple[Float[Tensor, "batch heads queries value_dim"], Float[Tensor, "batch heads queries"]]:
    """Attention and the log-sum-exp of its scores in fp32.

    `causal` reaches fused kernels only; for a table of scores the mask must already be causal.
    """
    kernel = fused_kernel(q, v, mask, rule)
    if kernel == "cpu" and not causal and _pays_in_products(q, k, mask):
        return _in_products(q, k, v, mask, rule)
    if kernel == "cpu":
        mask = mask[None, None] if mask is not None and mask.ndim == 2 else mask
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, mass = flash(q, k, v, 0.0, causal, attn_mask=mask, scale=rule.scale)
        return out, mass.float()
    if kernel == "cuda":
        out, mass, *_ = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal, scale=rule.scale)
        return out, mass.float()
    # Queries are independent of each other, so that a table that is too large can be computed some rows at a time.
    rows = max(1, LARGEST_TABLE // (q.shape[0] * q.shape[1] * k.shape[2]))
    if q.shape[2] <= rows or torch.is_grad_enabled():  # the backward pass keeps every table anyway
        return _table(q, k, v, mask, rule)
    pieces = q.split(rows, 2)
    masks = [None] * len(pieces) if mask is None else mask.split(rows, -2)
    parts = [_table(piece, k, v, part, rule) for piece, part in zip(pieces, masks, strict=True)]
    return torch.cat([out for out, _ in parts], 2), torch.cat([mass for _, mass in parts], 2)


def _table(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rule: Rule) -> tuple[Tensor, Tensor]:
    """Without a fused kernel: every score is in memory."""
    scores = (q @ k.transpose(-1, -2)).float() * rule.scale
    if rule.softcap is not None:
        scores = rule.softcap * torch.tanh(scores / rule.softcap)
    if mask is not None:
        scores = scores + mask.float()
    # In fp32: half precision would lose what a long prefix and a short tree weigh against each other.
    mass = scores.logsumexp(-1)
    shares = F.dropout(scores.softmax(-1), rule.dropout)
    return (shares.to(v.dtype) @ v).float(), mass


def _pays_in_products(q: Tensor, k: Tensor, mask: Tensor | None) -> bool:
    """Whether oneDNN's products save more, beside torch's kernel with MKL's, than the scores' way through memory costs."""
    large = q.shape[2] * k.shape[2] >= SCORES_IN_PRODUCTS
    return large and q.dtype == torch.float32 and onednn_is_faster() and (mask is None or mask.ndim == 2)


def _in_products(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, rule: Rule) -> tuple[Tensor, Tensor]:
    """Without gradients: one head after another, and as many queries at a time as leave their scores in a cache."""
    out, mass = q.new_empty(*q.shape[:3], v.shape[-1]), q.new_empty(q.shape[:3])
    for at in product(range(q.shape[0]), range(q.shape[1])):
        keys, values = k[at] * rule.scale, v[at].T
        for start in range(0, q.shape[2], QUERIES_IN_CACHE):
            rows = slice(start, start + QUERIES_IN_CACHE)
            scores = linear(q[at][rows], keys)
            if mask is not None:
                scores += mask[rows]
            largest = scores.amax(-1)
            shares = torch.softmax(scores, -1, out=scores)
            out[at][rows] = linear(shares, values)
            # The largest share is 1 / sum of exp(score - largest).
            mass[at][rows] = largest - shares.amax(-1).log()
    return out, mass


def fused_kernel(q: Tensor, v: Tensor, mask: Tensor | None, rule: Rule) -> str | None:
    """The fused kernel that also returns the log-sum-exp, if one can be used here.

    None of them is differentiable through the log-sum-exp, has a soft cap, or takes values of another size than keys.
    """
    if rule.softcap is not None or rule.dropout or torch.is_grad_enabled() or q.shape[-1] != v.shape[-1]:
        return None
    if q.device.type == "cpu":
        return "cpu"
    half = q.dtype in (torch.bfloat16, torch.float16) and q.shape[-1] % 8 == 0 and q.shape[-1] <= 256
    if q.device.type == "cuda" and half and mask is None and torch.cuda.get_device_capability(q.device) >= (8, 0):
        return "cuda"
    return None


def joined(near: tuple[Tensor, Tensor | None], far: Part) -> Tensor:
    """Attention over the keys of both parts: each part weighted by its share of the softmax."""
    assert near[1] is not None
    # With the log-sum-exps n and f, the near part has the share exp(n) / (exp(n) + exp(f)) = sigmoid(n - f). This is
    # exact, and a part that sees nothing (-inf) has a share of exactly 0.
    share = torch.sigmoid(near[1] - far[1])[..., None]
    return torch.lerp(far[0].float(), near[0].float(), share)
