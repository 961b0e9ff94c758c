"""Layouts of the three kinds of forward pass: trees of a causal model, steps of decoding, sequences of an encoder."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from inweights.engine.attention_layout import AttentionLayout, Span
from inweights.engine.kv_cache import KVCache
from inweights.engine.ragged import buckets_of, ragged_of
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Layer, Prefix, Tree


def tree_layout(
    trees: Sequence[Tree],
    device: torch.device,
    prefixes: Sequence[Prefix | None] = (),
    segments: Sequence[RunSegment] = (),
    captured: dict[Layer, tuple[Tensor, Tensor]] | None = None,
) -> AttentionLayout:
    """Every token attends to the tokens before it, but not to other branches of its tree.

    `prefixes`: of each tree, or empty. Trees with the same prefix must stand side by side, so that it is one span.
    """
    lengths = [len(tree) for tree in trees]
    ragged = ragged_of(lengths, device, buckets_of(lengths, device))
    position = torch.zeros((len(trees), max(lengths)), dtype=torch.long)
    visible = _ones(position, position).tril() if any(tree.branches for tree in trees) else None
    for row, tree in enumerate(trees):
        position[row, : len(tree)] = torch.tensor(positions(tree))
        if visible is not None:
            start = len(tree.stem)
            for branch in tree.branches:
                visible[row, start + len(branch) :, start : start + len(branch)] = False
                start += len(branch)
            # Every place sees itself, padding too: the softmax of an empty row would be NaN, and so would gradients.
            visible[row].diagonal().fill_(True)
    visible, position = None if visible is None else visible.to(device), position.to(device)
    spans = _spans(trees, prefixes)
    return AttentionLayout(ragged, ragged, position, position, visible, True, spans, tuple(segments), captured)


def step_layout(cache: KVCache, prefixes: Sequence[Prefix | None], device: torch.device) -> AttentionLayout:
    """The newest token of each text: it attends to the text so far, itself, and the prefix of the text."""
    # One query per text, and as many keys as the longest text has; those after the end of a shorter one are masked.
    ragged = ragged_of([1] * len(cache.lengths), device)
    position = torch.tensor(cache.lengths, device=device)[:, None]
    key_position = torch.arange(max(cache.lengths) + 1, device=device).expand(len(cache.lengths), -1)
    visible = key_position[:, None] <= position[:, None]
    spans = _spans([Tree((0,))] * len(prefixes), prefixes)
    return AttentionLayout(ragged, ragged, position, key_position, visible, False, spans, cache=cache)


def bidirectional_layout(
    lengths: Sequence[int], device: torch.device, segments: Sequence[RunSegment] = ()
) -> AttentionLayout:
    """Every token attends to its whole sequence, as in an encoder."""
    ragged = ragged_of(lengths, device, buckets_of(lengths, device))
    position = torch.arange(max(lengths), device=device).expand(len(lengths), -1)
    return AttentionLayout(ragged, ragged, position, position, None, False, segments=tuple(segments))


def positions(tree: Tree) -> list[int]:
    """The position of every token: each branch continues where the stem ends."""
    stem = len(tree.stem)
    return [*range(stem), *(stem + i for branch in tree.branches for i in range(len(branch)))]


def _spans(trees: Sequence[Tree], prefixes: Sequence[Prefix | None]) -> tuple[Span, ...]:
    spans: list[Span] = []
    start = 0
    for tree, prefix in zip(trees, prefixes, strict=False):
        stop = start + len(tree)
        if spans and spans[-1].prefix is prefix and spans[-1].stop == start:
            spans[-1] = Span(spans[-1].start, stop, spans[-1].prefix)
        elif prefix is not None:
            spans.append(Span(start, stop, prefix))
        start = stop
    return tuple(spans)


def _ones(queries: Int[Tensor, "trees queries"], keys: Int[Tensor, "trees keys"]) -> Bool[Tensor, "trees queries keys"]:
    return torch.ones(*queries.shape, keys.shape[1], dtype=torch.bool, device=queries.device)
