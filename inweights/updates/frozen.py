"""Nothing of the backbone may change: what learns is the head alone (a linear probe, Alain & Bengio 2016)."""

from dataclasses import dataclass

from inweights.models.base import LanguageModel
from inweights.updates.base import Adapted


@dataclass(frozen=True)
class Frozen:
    """For methods that train something of their own on top."""

    name = "frozen"
    stacks = True

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        return Adapted(model, {})
