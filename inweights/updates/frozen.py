"""Nothing of the backbone is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.updates.base import Adapted, Work
from inweights.updates.peft_format import Stored, Target, named_by_backbone, on_a_zero_lora


@dataclass(frozen=True)
class Frozen:
    """Linear probe (Alain & Bengio 2016, arXiv 1610.01644): only the head that a method adds is trained."""

    name = "frozen"
    stacks = True
    schedule = Schedule(lr=1e-3, epochs=20, batch_size=8, stop_loss=0.01)
    peft = True
    limits = ""

    def apply(self, model: Backbone, seed: int) -> Adapted:
        return Adapted(model, {})

    def stored(self, trained: Mapping[str, Tensor], target: Target) -> Stored:
        return on_a_zero_lora(trained, target)

    def restored(self, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return named_by_backbone(stored)

    def deltas(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return {}

    def work(self, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(0)
