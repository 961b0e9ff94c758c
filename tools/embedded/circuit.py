"""The weights to start from: attention that already looks back, finds the same again, and copies.

From random weights no label is looked up in the context for ten million tokens and more (benchmarks/LOG.md). What has
to form is an induction circuit (Olsson et al. 2022, arXiv 2209.11895): a label takes in what its example is, and an
example asks for labels that took in the like. Put in at the start, as in mimetic initialisation (Trockman and Kolter
2023, arXiv 2305.09828), its gradient is there from the first step. Everything is trained from there.
"""

from typing import Any

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

SHARPNESS = 6.3
"""Of looking back: another distance gets 2 % of the attention that the right one gets."""
FAST = 4
"""Rotary frequencies that tell neighbours apart."""
MIDDLE = slice(3, 5)
"""Rotary frequencies that tell one sentence from the one before."""


@torch.no_grad()
def put_in(model: LlamaForCausalLM) -> None:
    """First block: the heads copy from one, two, three and four words back. Second: two heads look for the same word
    nearby. Last but one: every position takes in the one before it, turned into a space of its own. Last: what is alike
    to that is copied."""
    blocks = [block.self_attn for block in model.model.layers]
    width = model.config.hidden_size
    turned = orthogonal(width)
    heads = range(model.config.num_attention_heads)
    for head in heads:
        look_back(blocks[0], head, head + 1)
    copy(blocks[0], 0.3 * torch.eye(width))
    for head in (0, 1):
        look_for(blocks[1], head, orthogonal(width), torch.eye(width))
        look_nearby(blocks[1], head)
    for head in heads:
        look_back(blocks[-2], head, 1)
    copy(blocks[-2], 0.4 * turned)
    directions = orthogonal(width)
    for head in heads:
        look_for(blocks[-1], head, directions, turned)
    copy(blocks[-1], 0.5 * torch.eye(width))
    model.lm_head.weight.copy_(0.5 * model.model.embed_tokens.weight)


def orthogonal(size: int) -> Tensor:
    basis: Tensor = torch.linalg.qr(torch.randn(size, size))[0]
    return basis


def look_back(attention: Any, head: int, distance: int) -> None:
    """Constant queries and keys, so that rotation by position alone decides: the fast frequencies agree there."""
    rows, half = _rows(attention, head), attention.head_dim // 2
    frequencies = _frequencies(attention)[:FAST]
    attention.q_proj.weight[rows] *= 0.1
    attention.k_proj.weight[rows] *= 0.1
    start = rows.start
    attention.q_proj.bias[start : start + FAST] = SHARPNESS
    attention.k_proj.bias[start : start + FAST] = SHARPNESS * torch.cos(distance * frequencies)
    attention.k_proj.bias[start + half : start + half + FAST] = SHARPNESS * torch.sin(distance * frequencies)


def look_for(attention: Any, head: int, directions: Tensor, turned: Tensor) -> None:
    """Query and key are alike where the key, turned, is what the query is. On the slow half of the rotary frequencies,
    on which distance within a context hardly counts."""
    start, half, quarter = _rows(attention, head).start, attention.head_dim // 2, attention.head_dim // 4
    slow = [*range(start + quarter, start + half), *range(start + half + quarter, start + 2 * half)]
    part = directions[len(slow) * head : len(slow) * (head + 1)]
    attention.q_proj.weight[slow] = 1.5 * part
    attention.k_proj.weight[slow] = 1.5 * part @ turned.T


def look_nearby(attention: Any, head: int) -> None:
    """Not at the position itself, which is always alike, and rather near than far: pairs stand side by side."""
    start = _rows(attention, head).start
    attention.q_proj.bias[start : start + FAST - 1] = 3.0
    attention.k_proj.bias[start : start + FAST - 1] = -3.0
    attention.q_proj.bias[start + MIDDLE.start : start + MIDDLE.stop] = 4.0
    attention.k_proj.bias[start + MIDDLE.start : start + MIDDLE.stop] = 4.0


def copy(attention: Any, how: Tensor) -> None:
    """All heads together hand on what they look at, times `how`."""
    basis = orthogonal(len(how))
    attention.v_proj.weight.copy_(basis)
    attention.o_proj.weight.copy_(how @ basis.T)


def _rows(attention: Any, head: int) -> slice:
    return slice(head * attention.head_dim, (head + 1) * attention.head_dim)


def _frequencies(attention: Any) -> Tensor:
    base = float(attention.config.rope_parameters["rope_theta"])
    return torch.pow(base, -torch.arange(0, attention.head_dim, 2) / attention.head_dim)
