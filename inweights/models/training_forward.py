"""Forward passes during training: frozen blocks are run once, several runs share a row."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Patch, Stackable, Tree
from inweights.models.base import Backbone

Vocabulary = tuple[int, ...] | None


class TrainingForward:
    """One update of a backbone, or several that train at the same time, each on sequences of its own.

    Blocks below `first_block`, which no update changes, are run once per sequence, without dropout, and up to
    `kept_bytes` of their outputs are kept. `checkpointing`: of other blocks only the inputs are kept for the backward
    pass. Architectures that do not pack train without either.
    """

    def __init__(
        self,
        models: Sequence[Backbone],
        first_block: int = 0,
        kept_bytes: int = 1 << 30,
        checkpointing: bool = False,
    ) -> None:
        assert len(models) == 1 or stackable(models), "updates that cannot share a pass"
        self.models = tuple(models)
        packs = models[0].packs
        # At least the last block is run, even where an update changes only a head after it: `FrozenBlocks` stops at the
        # input of a block.
        below = min(first_block, len(models[0].blocks()) - 1) if packs and first_block else 0
        self.checkpointing = checkpointing and packs
        self.frozen = FrozenBlocks(models[0].module, models[0].blocks(), below, kept_bytes) if below else None

    def logits(
        self, trees: Mapping[int, Sequence[Tree]], vocabulary: Vocabulary = None
    ) -> dict[int, Float[Tensor, "reads vocabulary"]]:
        """Next-token logits at every position read, by the number of the run."""
        rows = None
        if vocabulary is not None:
            rows = torch.tensor(vocabulary, device=self.models[0].device)
        model, flat = self._together(trees)
        return _by_run(trees, model.next_token_logits(flat, None, rows))

    def hidden_states(self, trees: Mapping[int, Sequence[Tree]]) -> dict[int, Float[Tensor, "reads hidden"]]:
        """The input of the LM head at every position read, by the number of the model."""
        model, flat = self._together(trees)
        return _by_run(trees, model.hidden_states(flat))

    def summaries(
        self, sequences: Mapping[int, Sequence[Sequence[int]]], pooling: Literal["own", "mean"]
    ) -> dict[int, Float[Tensor, "sequences hidden"]]:
        model, flat = self._together(sequences)
        read = model.summaries(flat, pooling)
        return dict(zip(sequences, read.split(list(map(len, sequences.values()))), strict=True))

    def _together(self, inputs: Mapping[int, Sequence[Any]]) -> tuple[Backbone, list[Any]]:
        """A model with the updates of all these runs on, and their inputs one run after the other."""
        runs, flat = list(inputs), [item for run in inputs.values() for item in run]
        model = self.models[runs[0]]
        if len(runs) > 1:
            # A segment is as long as its run's inputs, which stand one after the other in the row.
            segments = [RunSegment(sum(map(len, inputs[run])), len(inputs[run])) for run in runs]
            beside = _beside([self.models[run] for run in runs])
            model = model.stacked([patch for patch in beside if patch is not None], segments)
        if self.frozen or self.checkpointing:
            model = model.training_view(self.frozen, self.checkpointing)
        return model, flat


def _by_run(trees: Mapping[int, Sequence[Tree]], outputs: Tensor) -> dict[int, Tensor]:
    counts = [sum(len(tree.positions_read) for tree in trees[run]) for run in trees]
    return dict(zip(trees, outputs.split(counts), strict=True))


def stackable(models: Sequence[Backbone]) -> bool:
    """Whether the updates on these models can share a forward pass."""
    first = models[0]
    # Segments are stretches of a row, and only a model that packs reads a row.
    if not all(each.packs for each in models):
        return False
    if any(each.module is not first.module or len(each.patches) != len(first.patches) for each in models):
        return False
    return all(patch is not None for patch in _beside(models))


def _beside(models: Sequence[Backbone]) -> list[Patch | None]:
    """The patches of several models for one row; None for those that cannot share it."""
    shared: list[Patch | None] = []
    for patches in zip(*(model.patches for model in models), strict=True):
        # A patch that all runs have in common, such as an export that is trained further, is not a matter of runs.
        if all(patch is patches[0] for patch in patches):
            shared.append(patches[0])
        else:
            shared.append(patches[0].beside(patches[1:]) if isinstance(patches[0], Stackable) else None)
    return shared
