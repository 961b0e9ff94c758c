"""A model in half precision that computes in fp32 for a while, with the memory of one block more."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from inweights.engine.switches import hooked

HALF = (torch.bfloat16, torch.float16)


@contextmanager
def in_single_precision(module: nn.Module, blocks: list[nn.Module]) -> Iterator[None]:
    """Within, the same weights multiply as fp32. Each block is cast when it runs and restored after it.

    A cast from bf16 or fp16 to fp32 loses nothing, and the tensors of before are put back, not cast back.
    """
    inside = {id(each) for block in blocks for each in block.modules()}
    outside = [each for each in module.modules() if id(each) not in inside and _half(each, recurse=False)]
    before: dict[nn.Parameter, Tensor] = {}

    def cast(unit: nn.Module, recurse: bool) -> None:
        for parameter in _half(unit, recurse):
            before[parameter] = parameter.data
            parameter.data = parameter.data.float()

    def restore() -> None:
        for parameter, data in before.items():
            parameter.data = data
        before.clear()

    def hooks() -> Iterator[Any]:
        for unit in (*blocks, *outside):
            whole = unit not in outside
            yield unit.register_forward_pre_hook(lambda unit, _, whole=whole: cast(unit, whole))
            yield unit.register_forward_hook(lambda *_: restore())

    try:
        with hooked(hooks()):
            yield
    finally:
        restore()


def _half(module: nn.Module, recurse: bool) -> list[nn.Parameter]:
    return [each for each in module.parameters(recurse) if each.dtype in HALF]
