"""Whole prompts in a padded batch, for architectures whose attention cannot be replaced (BLOOM, Mamba, MPT)."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inweights.models.base import Tree


def read(
    module: nn.Module, trees: Sequence[Tree], before: Sequence[int], what: Literal["logits", "hidden"], pad: int
) -> tuple[Float[Tensor, "reads size"], int]:
    """Outputs at the positions read, and the number of tokens that went through. Right padding, masked."""
    rows: list[list[int]] = []
    places: list[tuple[int, int]] = []
    for tree in trees:
        numbers: dict[int, int] = {}
        for position in tree.positions_read:
            branch, place = _branch_of(tree, position)
            if branch not in numbers:
                numbers[branch] = len(rows)
                rows.append([*before, *tree.stem, *(tree.branches[branch] if branch >= 0 else ())])
            places.append((numbers[branch], len(before) + place))
    longest = max(map(len, rows))
    device = cast(Any, module).device
    ids = torch.tensor([row + [pad] * (longest - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows], device=device)
    # Backbone and head apart, so that vocabulary logits exist only where they are read.
    hidden = cast(Any, module).base_model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    kept = torch.stack([hidden[row, place] for row, place in places])
    out = cast(Any, module).get_output_embeddings()(kept) if what == "logits" else kept
    return out.float(), ids.numel()


def _branch_of(tree: Tree, position: int) -> tuple[int, int]:
    """The branch (-1: the stem) that a position lies in, and its place in stem + that branch."""
    if position < len(tree.stem):
        return -1, position
    start = len(tree.stem)
    for number, branch in enumerate(tree.branches):
        if position < start + len(branch):
            return number, len(tree.stem) + position - start
        start += len(branch)
    raise IndexError(f"position {position} in a tree of {len(tree)} tokens")
