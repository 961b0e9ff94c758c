"""Blocks that nothing changes, run once for each sequence: what they give is kept, and training starts behind them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.engine.switches import hooked, in_mode


class FrozenBlocks:
    """What block `below - 1` gives, by sequence; computed without dropout and without gradients.

    At most `kept_bytes` are kept. What does not fit is computed again when it is asked for, and is the same.
    """

    def __init__(self, module: nn.Module, blocks: Sequence[nn.Module], below: int, kept_bytes: int) -> None:
        assert 0 < below < len(blocks)
        self.module, self.blocks, self.below, self.kept_bytes = module, list(blocks[: below + 1]), below, kept_bytes
        self.kept: dict[Any, Tensor] = {}
        self.bytes = 0
        self.shape: Callable[[Tensor], Any] = lambda states: states
        """What a block of this architecture returns, made of states: a tensor, or a tuple that begins with one."""

    def states(self, asked: Sequence[Any], run: Callable[[list[Any]], object]) -> Float[Tensor, "1 tokens hidden"]:
        """Of all that is asked, end to end. `run` reads a few sequences, all the way up if it is not stopped."""
        missing = [each for each in dict.fromkeys(asked) if each not in self.kept]
        new: dict[Any, Tensor] = {}
        if missing:
            row = self._read(missing, run)
            new = dict(zip(missing, row.split([len(each) for each in missing]), strict=True))
            for each, states in new.items():
                size = states.numel() * states.element_size()
                if self.bytes + size <= self.kept_bytes:
                    self.kept[each] = states.clone()  # memory of its own: the row it is cut from can go
                    self.bytes += size
        return torch.cat([self.kept[each] if each in self.kept else new[each] for each in asked])[None]

    @contextmanager
    def in_place_of_blocks(self, states: Tensor) -> Iterator[None]:
        """Within, the frozen blocks do nothing and give these states."""

        def forward(*inputs: Any, **options: Any) -> Any:
            return self.shape(states)

        skipped = self.blocks[:-1]
        for block in skipped:
            block.forward = forward
        try:
            yield
        finally:
            for block in skipped:
                del block.forward

    @torch.no_grad()
    def _read(self, missing: list[Any], run: Callable[[list[Any]], object]) -> Float[Tensor, "tokens hidden"]:
        def seen(_: nn.Module, inputs: Any, output: Any) -> None:
            others = len(output) - 1 if isinstance(output, tuple) else None
            self.shape = (lambda states: states) if others is None else (lambda states: (states, *[None] * others))

        def stop(_: nn.Module, inputs: tuple[Tensor, ...], options: dict[str, Tensor]) -> None:
            raise _Reached(inputs[0] if inputs else options["hidden_states"])

        on = [self.blocks[0].register_forward_hook(seen)]
        on.append(self.blocks[-1].register_forward_pre_hook(stop, with_kwargs=True))
        with hooked(on), in_mode(self.module, training=False):
            try:
                run(missing)
            except _Reached as reached:
                return cast(Tensor, reached.args[0])[0]
        raise AssertionError("the first block that may change was not run")


class _Reached(Exception):  # noqa: N818  it ends a pass early and is not an error
    """What the first block that may change would be given."""
