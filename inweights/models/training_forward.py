"""Reading a backbone over and over while updates on it train: what is frozen once, several runs in one row."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor

from inweights.engine.frozen_blocks import FrozenBlocks
from inweights.engine.stacked_runs import RunSegment
from inweights.engine.trees import Patch, Stackable, Tree
from inweights.models.base import LanguageModel
from inweights.models.causal import CausalLM
from inweights.models.encoder import Encoder

Vocabulary = tuple[int, ...] | None


class TrainingForward:
    """One update of a backbone, or several that train at the same time, each on sequences of its own.

    Blocks below `first_block`, which no update changes, are run once for a sequence, without dropout, and their
    outputs kept while they are within `kept_bytes`. `checkpointing`: of the others only what goes in is kept for the
    backward pass. Architectures that do not pack train without either.
    """

    def __init__(
        self,
        models: Sequence[LanguageModel],
        first_block: int = 0,
        kept_bytes: int = 1 << 30,
        checkpointing: bool = False,
    ) -> None:
        assert len(models) == 1 or stackable(models), "updates that cannot share a pass"
        self.models = tuple(models)
        packs = isinstance(models[0], CausalLM | Encoder) and models[0].packs
        below = min(first_block, len(models[0].blocks()) - 1) if packs and first_block else 0
        self.checkpointing = checkpointing and packs
        self.frozen = FrozenBlocks(models[0].module, models[0].blocks(), below, kept_bytes) if below else None

    def logits(
        self, trees: Mapping[int, Sequence[Tree]], vocabulary: Vocabulary = None
    ) -> dict[int, Float[Tensor, "reads vocabulary"]]:
        """What comes after every position read, by the number of the model."""
        rows = None
        if vocabulary is not None:
            rows = torch.tensor(vocabulary, device=next(self.models[0].module.parameters()).device)
        model, flat = self._together(trees)
        read = model.next_token_logits(flat, None, rows)
        counts = [sum(len(tree.positions_read) for tree in trees[run]) for run in trees]
        return dict(zip(trees, read.split(counts), strict=True))

    def summaries(
        self, sequences: Mapping[int, Sequence[Sequence[int]]], pooling: Literal["own", "mean"]
    ) -> dict[int, Float[Tensor, "sequences hidden"]]:
        model, flat = self._together(sequences)
        read = model.summaries(flat, pooling)
        return dict(zip(sequences, read.split(list(map(len, sequences.values()))), strict=True))

    def _together(self, asked: Mapping[int, Sequence[Any]]) -> tuple[LanguageModel, list[Any]]:
        """A model with the updates of the runs that are asked on, and everything that is asked in a row."""
        runs, flat = list(asked), [each for run in asked.values() for each in run]
        first: Any = self.models[runs[0]]
        if len(runs) > 1:
            segments = tuple(RunSegment(sum(map(len, asked[run])), len(asked[run])) for run in runs)
            first = replace(first, patches=_beside([self.models[run] for run in runs]), segments=segments)
        if self.frozen or self.checkpointing:
            first = replace(first, frozen=self.frozen, checkpointing=self.checkpointing)
        return first, flat


def stackable(models: Sequence[LanguageModel]) -> bool:
    """Whether the updates on these can be read in one pass."""
    if any(not isinstance(each, CausalLM | Encoder) or not each.packs for each in models):
        return False
    one = [cast("CausalLM | Encoder", each) for each in models]
    if any(each.module is not one[0].module or len(each.patches) != len(one[0].patches) for each in one):
        return False
    return all(patch is not None for patch in _beside(one))


def _beside(models: Sequence[Any]) -> tuple[Any, ...]:
    """The patches of several models in one row; None for those that cannot stand in one."""
    found: list[Patch | None] = []
    for patches in zip(*(each.patches for each in models), strict=True):
        if all(patch is patches[0] for patch in patches):
            found.append(patches[0])
        else:
            found.append(patches[0].beside(patches[1:]) if isinstance(patches[0], Stackable) else None)
    return tuple(found)
