"""Blocks that no update changes: they are run once per sequence, their outputs are kept, and training starts after them."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.engine.switches import hooked, in_mode


class FrozenBlocks:
    """The outputs of block `below - 1`, by sequence; computed without dropout and without gradients.

    Up to `kept_bytes` of them are kept. Others are computed again each time, with the same result.
    """

    def __init__(self, module: nn.Module, blocks: Sequence[nn.Module], below: int, kept_bytes: int) -> None:
        assert 0 < below < len(blocks)
        self.module, self.blocks, self.below, self.kept_bytes = module, list(blocks[: below + 1]), below, kept_bytes
        self.kept: dict[Any, Tensor] = {}
        self.bytes = 0
        self.shape: Callable[[Tensor], Any] = lambda states: states
        """Makes what a block of this architecture returns out of states: a tensor, or a tuple that begins with one."""

    def states(self, sequences: Sequence[Any], run: Callable[[list[Any]], object]) -> Float[Tensor, "1 tokens hidden"]:
        """The states of all sequences, end to end. `run` is a whole forward pass, which is stopped after these blocks."""
        missing = [sequence for sequence in dict.fromkeys(sequences) if sequence not in self.kept]
        new: dict[Any, Tensor] = {}
        if missing:
            row = self._read(missing, run)
            new = dict(zip(missing, row.split(list(map(len, missing))), strict=True))
            for sequence, states in new.items():
                size = states.numel() * states.element_size()
                if self.bytes + size <= self.kept_bytes:
                    self.kept[sequence] = states.clone()  # not a view, which would keep the whole row in memory
                    self.bytes += size
        return torch.cat([self.kept[each] if each in self.kept else new[each] for each in sequences])[None]

    @contextmanager
    def in_place_of_blocks(self, states: Tensor) -> Iterator[None]:
        """Within, the frozen blocks compute nothing and return these states."""

        def forward(*inputs: Any, **options: Any) -> Any:
            return self.shape(states)

        skipped = self.blocks[:-1]  # the last one of them is the first that may change; only its input was read
        for block in skipped:
            block.forward = forward
        try:
            yield
        finally:
            for block in skipped:
                del block.forward

    @torch.no_grad()
    def _read(self, missing: list[Any], run: Callable[[list[Any]], object]) -> Float[Tensor, "tokens hidden"]:
        # Architectures differ in what a block returns, so the first block shows it once.
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
    """Carries the input of the first block that may change."""
