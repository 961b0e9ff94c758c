"""One forward pass over all trees as one row; nothing is computed that is not read."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.attention_layout import AttentionLayout
from inweights.engine.current_layout import current_segments, laid_out
from inweights.engine.embedding_gradients import look_up
from inweights.engine.last_block import only_reads
from inweights.engine.layouts import positions
from inweights.engine.products import fast_products
from inweights.engine.stacked_runs import dropout_by_run
from inweights.engine.switches import patches_on
from inweights.engine.trees import Patch, Tree

Output = Literal["logits", "hidden"]


def read_packed(
    module: nn.Module,
    patches: Sequence[Patch],
    trees: Sequence[Tree],
    layout: AttentionLayout,
    what: Output,
    last: nn.Module | None,
    vocabulary: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, "reads size"]:
    """Outputs at the positions read, fp32. `last`: the last block, if it may be run at only those positions.

    `vocabulary`: the rows of the LM head that are needed; None: all.
    """
    device = layout.position.device
    ids = [token for tree in trees for part in (tree.stem, *tree.branches) for token in part]
    places = [place for tree in trees for place in positions(tree)]
    # A tree counts its positions from 0; after a prefix it goes on from the prefix's end.
    for span in layout.prefix_spans:
        places[span.start : span.stop] = [len(span.prefix.ids) + place for place in places[span.start : span.stop]]
    reads = [tree.positions_read for tree in trees]
    kept = layout.row_of(reads)
    inputs = {
        "input_ids": torch.tensor([ids], device=device),
        "position_ids": torch.tensor([places], device=device),
        "use_cache": False,
    }
    model = cast(Any, module)
    with ExitStack() as stack:
        stack.enter_context(patches_on(patches))
        stack.enter_context(laid_out(layout))
        stack.enter_context(fast_products(module))
        # Where more than half of the tokens are read, the block is cheaper run once for all of them.
        if last is not None and 2 * len(kept) <= len(ids):
            stack.enter_context(only_reads(last, layout, reads))
        stack.enter_context(dropout_by_run(module, current_segments))
        if what == "hidden":
            return cast(Tensor, model.base_model(**inputs).last_hidden_state)[0, kept].float()
        narrowed = vocabulary is not None and isinstance(model.get_output_embeddings(), nn.Linear)
        if narrowed:
            stack.enter_context(_rows_of(model.get_output_embeddings(), cast(Tensor, vocabulary)))
        logits = cast(Tensor, model(**inputs, logits_to_keep=kept).logits)[0].float()
        return logits if vocabulary is None or narrowed else logits[:, vocabulary]


@contextmanager
def _rows_of(head: nn.Linear, rows: Tensor) -> Iterator[None]:
    """Within, the LM head has only some of its rows.

    The head is narrowed in place, and not applied here, because architectures do more to logits than this product: soft
    caps, scales.
    """
    before = {name: head._parameters[name] for name in ("weight", "bias")}
    bias = before["bias"]
    some = {"weight": look_up(before["weight"], rows), "bias": None if bias is None else bias.index_select(0, rows)}
    head._parameters.update(some)  # type: ignore[arg-type]
    try:
        yield
    finally:
        head._parameters.update(before)
