"""Every parameter may change."""

from dataclasses import dataclass

from torch import nn

from inweights.models.base import LanguageModel, Swap
from inweights.updates.base import Adapted


@dataclass(frozen=True)
class Full:
    """Full fine-tuning. A tied embedding and LM head are one parameter and stay tied."""

    name = "full"

    def apply(self, model: LanguageModel, seed: int) -> Adapted:
        return private_copies(model, [name for name, _ in model.module.named_parameters()])


def private_copies(model: LanguageModel, names: list[str]) -> Adapted:
    """The parameters of those names as copies of this update's own, in the place of the shared ones while it runs."""
    wanted = set(names)
    copies = {
        name: nn.Parameter(parameter.detach().clone())
        for name, parameter in model.module.named_parameters()
        if name in wanted
    }
    return Adapted(model.patched(Swap(model.module, copies)), copies)
