"""How many parameters a fitted method changed, and the size of what has to be stored to use it again."""

from inweights.methods import Fitted
from inweights.models.base import Backbone
from inweights.readouts import Ensemble, LabelWords


def changed_parameters(fitted: Fitted, model: Backbone) -> int:
    """The number of values that differ from the backbone's, and all values of trained tensors that it does not have."""
    shared = dict(model.module.named_parameters())
    return sum(
        int((parameter != shared[name]).sum()) if name in shared else parameter.numel()
        for name, parameter in fitted.trained.items()
    )


def artifact_bytes(fitted: Fitted) -> int:
    """The size of the trained tensors, or of the prompt that has to be sent with every query; without the backbone."""
    trained = sum(parameter.numel() * parameter.element_size() for parameter in fitted.trained.values())
    if trained:
        return trained
    readout = fitted.readout
    members = readout.members if isinstance(readout, Ensemble) else (readout,)
    return sum(
        len(member.prompt.context(member.demonstrations).encode()) for member in members if isinstance(member, LabelWords)
    )
