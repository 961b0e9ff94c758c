"""The last blocks, the final norm and the head are trained."""

from dataclasses import dataclass
from typing import Literal

from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.types import UserError
from inweights.updates.base import Adapted, private_copies
from inweights.updates.depth import distances_from_top
from inweights.updates.full import Full


@dataclass(frozen=True)
class LastBlocks:
    """Adaptive fine-tuning (Srinivasan et al. 2024, arXiv 2405.13181): the last blocks, the final norm and the head.

    Blocks further from the top have a lower learning rate: lr * decay^(distance from the top).
    """

    name = "last-blocks"
    stacks = False
    schedule = Schedule(lr=1e-4, width=384, epochs=20, batch_size=8, stop_loss=0.01)
    peft = False
    limits = ""
    blocks: int = 2
    decay: float = 0.95
    unfreeze: Literal["at-once", "gradually"] = "at-once"
    """Gradually: from the top down, each block after an equal share of the steps (Howard & Ruder 2018, ULMFiT)."""

    def apply(self, model: Backbone, seed: int) -> Adapted:
        count = len(model.blocks())
        if not 1 <= self.blocks <= count:
            raise UserError(f"the last {self.blocks} blocks cannot be trained: {model.card.name} has {count}")
        if not 0 < self.decay <= 1:
            raise UserError(f"update.decay is {self.decay}: expected a factor above 0 and at most 1")
        distances = {name: away for name, away in distances_from_top(model).items() if away < self.blocks}
        assert set(range(self.blocks)) == set(distances.values()), "a block without parameters"
        adapted = private_copies(model, list(distances))
        scales = {name: self.decay**away for name, away in distances.items()}
        # The top trains from the first step; each further block starts an equal share of the steps later.
        gradual = self.unfreeze == "gradually"
        starts = {name: away / self.blocks for name, away in distances.items() if away} if gradual else {}
        return Adapted(adapted.model, adapted.parameters, scales, starts)

    # Private copies in the place of shared weights, as in full fine-tuning.
    stored, restored, deltas, work = Full.stored, Full.restored, Full.deltas, Full.work
