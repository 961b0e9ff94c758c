"""Activation checkpointing: only the inputs of blocks are kept, and the backward pass runs the blocks again.

Chen et al. 2016, arXiv 1604.06174.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.current_layout import current_segments, laid_out
from inweights.engine.products import fast_products
from inweights.engine.stacked_runs import dropout_by_run, streams_as_now
from inweights.engine.switches import patches_on
from inweights.engine.trees import Patch


@contextmanager
def rerun_in_backward(
    blocks: Sequence[nn.Module], patches: Sequence[Patch], layout: AttentionLayout, module: nn.Module
) -> Iterator[None]:
    """Within, these blocks of `module` are checkpointed.

    The backward pass runs them after the context managers of the forward pass have ended, so these are entered again:
    patches, layout, dropout by run, and the state of the random numbers.
    """
    for block in blocks:
        block.forward = _checkpointed(block.forward, patches, layout, module)
    try:
        yield
    finally:
        for block in blocks:
            del block.forward


def _checkpointed(whole: Any, patches: Sequence[Patch], layout: AttentionLayout, module: nn.Module) -> Any:
    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _as_before(patches, layout, module, streams_as_now())

    def forward(*inputs: Any, **options: Any) -> Any:
        return checkpoint(whole, *inputs, use_reentrant=False, context_fn=contexts, **options)

    return forward


@contextmanager
def _as_before(
    patches: Sequence[Patch], layout: AttentionLayout, module: nn.Module, streams: AbstractContextManager[None]
) -> Iterator[None]:
    with patches_on(patches), laid_out(layout), fast_products(module), dropout_by_run(module, current_segments), streams:
        yield
