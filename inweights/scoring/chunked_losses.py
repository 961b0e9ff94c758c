"""Losses of positions, from hidden states, with logits of a few positions at a time.

The logits of all positions of a batch and what a loss makes of them are about six tables of positions x vocabulary: with
262,144 words more than all else that training holds. A loss of one position is a function of its own hidden state alone,
so its gradient can be taken as soon as it is computed, and the tables let go.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

LossOfPositions = Callable[[Float[Tensor, "some hidden"], slice], Float[Tensor, " some"]]
"""The losses at some positions, given which."""


def chunked_losses(
    hidden: Float[Tensor, "positions hidden"], loss: LossOfPositions, at_once: int
) -> Float[Tensor, " positions"]:
    """`loss` at every position, `at_once` at a time; only `hidden` gets gradients, and no second ones."""
    found: Tensor = _Chunked.apply(hidden, loss, at_once)  # type: ignore[no-untyped-call]
    return found


class _Chunked(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, hidden: Tensor, loss: LossOfPositions, at_once: int) -> Tensor:
        losses, gradients, trained = [], list[Tensor](), context.needs_input_grad[0]
        for start in range(0, len(hidden), at_once):
            part = slice(start, min(start + at_once, len(hidden)))
            with torch.set_grad_enabled(trained):
                states = hidden[part].detach().requires_grad_(trained)
                found = loss(states, part)
                gradients += torch.autograd.grad(found.sum(), states) if trained else ()
            losses.append(found.detach())
        context.save_for_backward(*gradients)
        return torch.cat(losses)

    @staticmethod
    def backward(context: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        return torch.cat(context.saved_tensors) * outer[0][:, None], None, None
