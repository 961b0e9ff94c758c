"""The last block, computed where it is read: keys and values of all tokens, everything else of the tokens read.

Everything in a block but its keys and values is a function of one token, so three quarters of the last block can be
left out for all tokens of a query but one.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from inweights.engine.attention import KeysReady
from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.current_layout import laid_out
from inweights.engine.stacked_runs import RunSegment


@contextmanager
def only_reads(block: nn.Module, layout: AttentionLayout, reads: Sequence[Sequence[int]]) -> Iterator[None]:
    """Within, the block gives the outputs of only the tokens `reads` (of each tree, along the tree), and 0 for others."""
    row = layout.row_of(reads)
    whole = block.forward

    def forward(hidden: Tensor, *others: Any, **options: Any) -> Any:
        # First over all tokens, up to attention, which stops the block as soon as it is given keys and values. The block
        # itself cannot be asked for them: each architecture makes them its own way (norms, rotary positions, biases).
        try:
            with laid_out(replace(layout, stops_at_keys=True)):
                whole(hidden, *others, **options)
        except KeysReady as seen:
            known = seen.args
        # Then over the tokens read, from their states and positions; attention takes the keys and values of before.
        few = layout.read_at(reads, _segments(layout, reads), known)
        with laid_out(few):
            out = whole(*_at((hidden, *others), row, layout.tokens), **_at(options, row, layout.tokens))
        # What follows may reshape to the whole row's shape, so the outputs go back to their places; the rest is not read.
        states = hidden.new_zeros(hidden.shape).index_copy(1, row, out[0] if isinstance(out, tuple) else out)
        return (states, *out[1:]) if isinstance(out, tuple) else states

    block.forward = forward
    try:
        yield
    finally:
        del block.forward


def _segments(layout: AttentionLayout, reads: Sequence[Sequence[int]]) -> list[RunSegment]:
    found, start = [], 0
    for segment in layout.segments:
        found.append(RunSegment(sum(map(len, reads[start : start + segment.trees])), segment.trees))
        start += segment.trees
    return found


def _at(value: Any, row: Tensor, tokens: int) -> Any:
    """What has an entry for each token (states, positions, their sines), at some of the tokens; all else as it is."""
    if isinstance(value, Tensor):
        axis = {(1, tokens): 1, (tokens,): 0}.get(tuple(value.shape[:2]) if value.ndim > 1 else tuple(value.shape))
        return value if axis is None else value.index_select(axis, row)
    if isinstance(value, tuple):
        return tuple(_at(each, row, tokens) for each in value)
    if isinstance(value, dict):
        return {name: _at(each, row, tokens) for name, each in value.items()}
    return value
