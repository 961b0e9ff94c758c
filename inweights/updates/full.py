"""Every parameter may change."""

from dataclasses import dataclass

from inweights.models.base import LanguageModel
from inweights.updates.base import Adapted, private_copies, trainable


@dataclass(frozen=True)
class Full:
    """Full fine-tuning. A tied embedding and LM head are one parameter and stay tied."""

    name = "full"
    stacks = False

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        return private_copies(model, [name for name, _ in trainable(model)])
