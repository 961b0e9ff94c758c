"""Every parameter is trained."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from inweights.models.base import Backbone
from inweights.training import Schedule
from inweights.updates.base import Adapted, Work, count, difference, private_copies, trainable
from inweights.updates.peft_format import Stored, Target


@dataclass(frozen=True)
class Full:
    """Full fine-tuning (Howard & Ruder 2018, arXiv 1801.06146): a tied embedding and LM head stay tied."""

    name = "full"
    stacks = False
    # 1e-4 for a width of 384 (MiniLM), which makes it 1e-5 for a 7B model's 4096.
    schedule = Schedule(lr=1e-4, width=384, epochs=20, batch_size=8, stop_loss=0.01)
    peft = False
    limits = ""

    def apply(self, model: Backbone, seed: int) -> Adapted:
        return private_copies(model, [name for name, _ in trainable(model)])

    def stored(self: object, trained: Mapping[str, Tensor], target: Target) -> Stored | None:
        return None

    def restored(self: object, stored: Mapping[str, Tensor], adapted: Adapted) -> Mapping[str, Tensor]:
        return stored

    def deltas(self: object, model: Backbone, parameters: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        return difference(model, parameters)

    def work(self: object, model: Backbone, parameters: Mapping[str, Tensor]) -> Work:
        return Work(count(parameters), products=count(matrices(model, parameters)))


def matrices(model: Backbone, parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters that are weights of linear layers."""
    names = {f"{name}.weight" for name in model.linear_layers()}
    return {name: each for name, each in parameters.items() if name in names}
