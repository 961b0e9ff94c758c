"""Computing in fp32 with a model in half precision, with memory for one more block."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inweights.engine.switches import hooked

HALF = (torch.bfloat16, torch.float16)


@contextmanager
def in_single_precision(module: nn.Module, blocks: list[nn.Module]) -> Iterator[None]:
    """Within, the weights are used in fp32: each block is cast before it runs and restored after it.

    The cast from bf16 or fp16 to fp32 is exact, and the old tensors are put back, not cast back.
    """
    inside = {id(part) for block in blocks for part in block.modules()}
    outside = [part for part in module.modules() if id(part) not in inside and _half(part, recurse=False)]
    before: dict[nn.Parameter, Tensor] = {}

    def cast(unit: nn.Module, recurse: bool) -> None:
        for parameter in _half(unit, recurse):
            before[parameter] = parameter.data
            parameter.data = parameter.data.float()

    def restore() -> None:
        for parameter, data in before.items():
            parameter.data = data
        before.clear()

    # Every unit is cast just before it runs and restored right after, so that one block at a time is in fp32. Modules
    # outside of blocks (embeddings, final norm, LM head) hold their parameters themselves.
    def hooks() -> Iterator[Any]:
        for unit in (*blocks, *outside):
            whole = unit not in outside
            yield unit.register_forward_pre_hook(lambda unit, _, whole=whole: cast(unit, whole))
            yield unit.register_forward_hook(lambda *_: restore())

    try:
        with hooked(hooks()):
            yield
    finally:
        restore()  # a pass may end in the middle of a block


def _half(module: nn.Module, recurse: bool) -> list[nn.Parameter]:
    return [each for each in module.parameters(recurse) if each.dtype in HALF]
