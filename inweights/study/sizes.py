"""What a fitted method changed, and what would have to be stored to have it again."""

from inweights.methods import Fitted
from inweights.models.base import Backbone
from inweights.readouts import Ensemble, LabelWords


def changed_parameters(fitted: Fitted, model: Backbone) -> int:
    """Numbers whose values differ from the backbone's, and all of a trained tensor the backbone does not have."""
    shared = dict(model.module.named_parameters())
    return sum(
        int((parameter != shared[name]).sum()) if name in shared else parameter.numel()
        for name, parameter in fitted.trained.items()
    )


def artifact_bytes(fitted: Fitted) -> int:
    """Of the trained tensors, or of the prompt that has to be sent along; without the backbone."""
    trained = sum(parameter.numel() * parameter.element_size() for parameter in fitted.trained.values())
    if trained:
        return trained
    readout = fitted.readout
    members = readout.members if isinstance(readout, Ensemble) else (readout,)
    return sum(
        len(member.prompt.context(member.demonstrations).encode()) for member in members if isinstance(member, LabelWords)
    )
