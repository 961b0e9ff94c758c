"""Whole prompts in a padded batch, for architectures whose attention cannot be replaced (BLOOM, Mamba, DeBERTa)."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inweights.engine.trees import Tree


def read_trees(
    module: nn.Module, trees: Sequence[Tree], prefixes: Sequence[Sequence[int]], what: Literal["logits", "hidden"]
) -> tuple[Float[Tensor, "reads size"], int]:
    """Outputs at the positions read, and the number of tokens that went through. Each branch is a whole text of its own.

    `prefixes`: the token ids that precede each tree.
    """
    rows: list[list[int]] = []
    places: list[tuple[int, int]] = []
    for tree, prefix in zip(trees, prefixes, strict=True):
        numbers: dict[int, int] = {}
        for position in tree.positions_read:
            branch, place = _branch_of(tree, position)
            if branch not in numbers:
                numbers[branch] = len(rows)
                rows.append([*prefix, *tree.stem, *(tree.branches[branch] if branch >= 0 else ())])
            places.append((numbers[branch], len(prefix) + place))
    model = cast(Any, module)
    ids, mask = padded(rows, model.device)
    at = torch.tensor(places, device=model.device).unbind(1)
    if what == "hidden":
        hidden = model.base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
        return hidden[at].float(), ids.numel()

    # The states that are read are taken out before the head: logits over the vocabulary exist only for them, and what an
    # architecture does to logits after its head is still done.
    def only_read(head: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (inputs[0][at][None],)

    handle = model.get_output_embeddings().register_forward_pre_hook(only_read)
    try:
        return model(input_ids=ids, attention_mask=mask, use_cache=False).logits[0].float(), ids.numel()
    finally:
        handle.remove()


def padded(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[Int[Tensor, "rows time"], Int[Tensor, "rows time"]]:
    """Token ids padded on the right with id 0, and the mask that says which are text: the pad id itself means nothing."""
    longest = max(map(len, rows))
    ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    return ids, mask


def _branch_of(tree: Tree, position: int) -> tuple[int, int]:
    """The branch (-1: the stem) that a position is in, and its place in stem + that branch."""
    if position < len(tree.stem):
        return -1, position
    start = len(tree.stem)
    for number, branch in enumerate(tree.branches):
        if position < start + len(branch):
            return number, len(tree.stem) + position - start
        start += len(branch)
    raise IndexError(f"position {position} in a tree of {len(tree)} tokens")
