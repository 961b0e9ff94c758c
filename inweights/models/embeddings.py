"""The gradient of an embedding added to what is there, not as a table of its own.

What torch makes of a look-up's gradient is as large as the table, nearly all zeros, and added to that of a tied LM head:
three passes over the largest tensor of a small model, for a few hundred rows.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn

_on: ContextVar[bool] = ContextVar("rows added", default=False)


@contextmanager
def rows_added() -> Iterator[None]:
    """Within, private embeddings have their gradients put into `.grad` itself, and `torch.autograd.grad` sees none."""
    token = _on.set(True)
    try:
        yield
    finally:
        _on.reset(token)


def takes_rows(owner: nn.Module, weight: Tensor | None) -> bool:
    """Whether an embedding with that weight in it can have its gradient so: a plain look-up of a trained leaf."""
    plain = type(owner) is nn.Embedding and owner.max_norm is None and not owner.scale_grad_by_freq
    return _on.get() and plain and weight is not None and weight.is_leaf and weight.requires_grad


def look_up(owner: nn.Module) -> Any:
    """The embedding's forward pass, with that gradient."""

    def forward(ids: Tensor) -> Any:
        return _Rows.apply(owner._parameters["weight"], ids, owner.padding_idx)  # type: ignore[no-untyped-call]

    return forward


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, padding: int | None) -> Tensor:
        ctx.weight, ctx.ids, ctx.padding = weight, ids, padding
        return weight.detach()[ids]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, None]:
        weight = ctx.weight
        if ctx.padding is not None:
            grad = grad.masked_fill((ctx.ids == ctx.padding)[..., None], 0.0)
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
        weight.grad.index_add_(0, ctx.ids.flatten(), grad.flatten(0, -2))
        return None, None, None
