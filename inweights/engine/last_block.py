"""The last block, run only where its output is read: keys and values of all tokens, everything else of the tokens read.

Apart from attention, a block works on each token by itself, and no later block needs the other tokens. So three quarters
of the last block can be left out for all tokens of a query but one.
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
    """Within, the block returns the outputs of the tokens `reads` (positions in each tree), and 0 for other tokens."""
    row = layout.row_of(reads)
    whole = block.forward

    def forward(hidden: Tensor, *others: Any, **options: Any) -> Any:
        # First over all tokens, up to attention, which stops the block as soon as it receives keys and values. There is
        # no other way to get them: each architecture makes them differently (norms, rotary positions, biases).
        try:
            with laid_out(replace(layout, stops_at_keys=True)):
                whole(hidden, *others, **options)
        except KeysReady as seen:
            known = seen.args
        # Then over the tokens read, from their states and positions; attention uses the keys and values of all tokens.
        few = layout.read_at(reads, _segments(layout, reads), known)
        with laid_out(few):
            out = whole(*_at((hidden, *others), row, layout.tokens), **_at(options, row, layout.tokens))
        # Code after the block may expect the shape of the whole row, so the outputs go back to their places.
        states = hidden.new_zeros(hidden.shape).index_copy(1, row, out[0] if isinstance(out, tuple) else out)
        return (states, *out[1:]) if isinstance(out, tuple) else states

    block.forward = forward
    try:
        yield
    finally:
        del block.forward


def _segments(layout: AttentionLayout, reads: Sequence[Sequence[int]]) -> list[RunSegment]:
    segments, start = [], 0
    for segment in layout.segments:
        segments.append(RunSegment(sum(map(len, reads[start : start + segment.trees])), segment.trees))
        start += segment.trees
    return segments


def _at(value: Any, row: Tensor, tokens: int) -> Any:
    """A block's argument at some of the tokens, where it has an entry for each token (states, positions, sines).

    Which axis counts tokens is known by its size alone: the batch axis is 1.
    """
    if isinstance(value, Tensor):
        axis = {(1, tokens): 1, (tokens,): 0}.get(tuple(value.shape[:2]) if value.ndim > 1 else tuple(value.shape))
        return value if axis is None else value.index_select(axis, row)
    if isinstance(value, tuple):
        return tuple(_at(each, row, tokens) for each in value)
    if isinstance(value, dict):
        return {name: _at(each, row, tokens) for name, each in value.items()}
    return value
