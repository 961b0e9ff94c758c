"""Gradients of embeddings and LM heads, added in place into one table that is kept from step to step.

torch makes of a look-up's gradient a table as large as the embedding, nearly all of it zeros, and adds it to the gradient
of a tied LM head: three passes over the largest tensor of a small model, for a few hundred rows. And where a table is
freed after every step, the operating system clears its memory page by page for the next one.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from inweights.engine.products import linear

Tables = dict[int, Tensor]
"""Memory for gradients, by the id of the weight; reused in every step."""

_tables: ContextVar[Tables | None] = ContextVar("tables", default=None)


@contextmanager
def gradients_added() -> Iterator[None]:
    """Within, gradients of private embeddings and LM heads are written into `.grad` directly.

    `torch.autograd.grad` does not return them. A gradient's memory is reused in the next step, so none may be kept.
    """
    token = _tables.set({})
    try:
        yield
    finally:
        _tables.reset(token)


def own_forward(owner: nn.Module, weight: Tensor | None, head: object) -> Any:
    """A forward pass of the embedding or LM head `owner` with such a gradient for its `weight`.

    None where torch's own is right: outside of training, for other modules, and where more is done than a plain product
    or look-up.
    """
    tables = _tables.get()
    if tables is None or weight is None or not (weight.is_leaf and weight.requires_grad):
        return None
    if type(owner) is nn.Embedding and owner.max_norm is None and not owner.scale_grad_by_freq:
        return lambda ids: look_up(owner._parameters["weight"], ids, owner.padding_idx)
    if owner is head and type(owner) is nn.Linear and owner.bias is None:
        return lambda x: _product(x, owner._parameters["weight"], weight, tables)
    return None


def look_up(weight: Any, ids: Tensor, padding: int | None = None) -> Tensor:
    """Rows of a table, with such a gradient where the table is private and trains."""
    tables = _tables.get()
    if tables is None or not (weight.is_leaf and weight.requires_grad):
        return F.embedding(ids, weight, padding)
    rows: Tensor = _Rows.apply(weight, ids, padding, tables)  # type: ignore[no-untyped-call]
    return rows


def _product(x: Tensor, weight: Any, private: Tensor, tables: Tables) -> Any:
    """`weight` is the table that is in place now: `packed.py` may have put only some of its rows there."""
    if weight is not private or torch.is_autocast_enabled(x.device.type):
        return linear(x, weight)
    return _Product.apply(x, weight, tables)  # type: ignore[no-untyped-call]


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weight: Tensor, ids: Tensor, padding: int | None, tables: Tables) -> Tensor:
        ctx.weight, ctx.ids, ctx.padding, ctx.tables = weight, ids, padding, tables
        return weight.detach()[ids]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, None, None, None]:
        weight = ctx.weight
        if ctx.padding is not None:
            grad = grad.masked_fill((ctx.ids == ctx.padding)[..., None], 0.0)
        if weight.grad is None:
            weight.grad = _table(ctx.tables, weight).zero_()
        weight.grad.index_add_(0, ctx.ids.flatten(), grad.flatten(0, -2))
        return None, None, None, None


class _Product(torch.autograd.Function):
    """x W^T."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, tables: Tables) -> Tensor:
        ctx.save_for_backward(x)
        ctx.weight, ctx.tables = weight, tables
        return linear(x, weight.detach())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None, None]:
        (x,), weight = ctx.saved_tensors, ctx.weight
        rows, inputs = grad.flatten(0, -2), x.flatten(0, -2)
        if weight.grad is None:
            weight.grad = torch.mm(rows.T, inputs, out=_table(ctx.tables, weight))
        else:
            weight.grad.addmm_(rows.T, inputs)
        return linear(grad, weight.detach().T) if ctx.needs_input_grad[0] else None, None, None


def _table(tables: Tables, weight: Tensor) -> Tensor:
    """Memory for a gradient, not cleared: it still holds that of the last step."""
    if id(weight) not in tables:
        tables[id(weight)] = torch.empty_like(weight)
    return tables[id(weight)]
