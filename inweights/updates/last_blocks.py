"""The last blocks, the final norm and the head: adaptive fine-tuning (Srinivasan et al. 2024, arXiv 2405.13181)."""

from dataclasses import dataclass
from typing import Any, Literal, cast

from torch import nn

from inweights.models.base import LanguageModel
from inweights.types import UserError
from inweights.updates.base import Adapted, private_copies, trainable


@dataclass(frozen=True)
class LastBlocks:
    """Blocks further from the top learn more slowly: lr * decay^(distance from the top)."""

    name = "last-blocks"
    blocks: int = 2
    decay: float = 0.95
    unfreeze: Literal["at-once", "gradually"] = "at-once"
    """Gradually: from the top down, each block after an equal share of the steps (Howard & Ruder 2018, ULMFiT)."""

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        count = len(model.blocks())
        if not 1 <= self.blocks <= count:
            raise UserError(f"the last {self.blocks} blocks cannot train: {model.card.name} has {count}")
        if not 0 < self.decay <= 1:
            raise UserError(f"update.decay is {self.decay}: a factor above 0 and at most 1 is wanted")
        distances = {name: away for name, away in distances_from_top(model).items() if away < self.blocks}
        assert set(range(self.blocks)) == set(distances.values()), "a block without parameters"
        adapted = private_copies(model, list(distances))
        scales = {name: self.decay**away for name, away in distances.items()}
        gradual = self.unfreeze == "gradually"
        starts = {name: away / self.blocks for name, away in distances.items() if away} if gradual else {}
        return Adapted(adapted.model, adapted.parameters, scales, starts)


def distances_from_top(model: LanguageModel) -> dict[str, int]:
    """0 for the last block and what follows it, 1 for the block before, and so on; nothing of what precedes them.

    An LM head tied to the embeddings is an embedding and not named; one of its own is part of what follows.
    """
    blocks = list(model.blocks())
    inside = {id(p): len(blocks) - 1 - number for number, block in enumerate(blocks) for p in block.parameters()}
    modules = list(model.module.modules())
    tables = {id(p) for each in modules if isinstance(each, nn.Embedding) for p in each.parameters()}
    output = cast(Any, model.module).get_output_embeddings() if model.card.family == "causal" else None
    head = {id(p) for p in output.parameters()} if output is not None else set()
    found = {}
    for name, parameter in trainable(model):
        before = id(parameter) in tables or (id(parameter) not in head and _before_blocks(name))
        if id(parameter) in inside:
            found[name] = inside[id(parameter)]
        elif not before:
            found[name] = 0
    return found


def _before_blocks(name: str) -> bool:
    """Norms and projections of embeddings; no attribute says so, and definition order does not either (OPT)."""
    return "embed" in name or "project_in" in name
