"""What an adaptation method is: settings in its fields, data in the call of `fit`, and a `Fitted` as the result."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Protocol, runtime_checkable

from torch import Tensor, nn

from inweights.models.base import Backbone
from inweights.predictions import Input, Prediction, predictions
from inweights.readouts import Head, LabelWords, Readout
from inweights.settings import field_of
from inweights.training import Trace
from inweights.types import Ability, Budget, Prompt, Shots
from inweights.updates import Update


@dataclass(frozen=True, repr=False)
class Fitted:
    """An adapted model: how to score examples, and what was trained."""

    readout: Readout
    trained: Mapping[str, nn.Parameter] = field(default_factory=dict)
    """Every parameter that was trained; a new head's are `score.weight` and, on an encoder, `score.bias`."""
    update: Update | None = None
    """The update that was trained; None for a method that trains nothing of the backbone."""
    losses: tuple[float, ...] = ()
    optimizer_bytes: int = 0
    notes: Mapping[str, object] = field(default_factory=dict)
    """JSON values only."""
    diagnostics: Callable[[], Mapping[str, object]] = dict
    """More notes, which need further passes over the shots; they are made outside of what is measured."""
    snapshots: Mapping[str, "Fitted"] = field(default_factory=dict)
    """The same at earlier steps and at the last one, by `step N`, for protocols that select a checkpoint."""

    def predict(self, inputs: Sequence[Input]) -> list[Prediction]:
        """Label and probabilities of texts, where the pattern has one field, or of dicts of fields."""
        return predictions(self.readout, inputs)

    def __repr__(self) -> str:
        trained = sum(parameter.numel() for parameter in self.trained.values())
        update = f" {type(self.update).__name__}" if self.update else ""
        return f"Fitted({type(self.readout).__name__} on {self.readout.model.card.name},{update} {trained:,} trained)"


@runtime_checkable
class Method(Protocol):
    """A frozen dataclass; it gets the prompt, not the task, so it cannot reach an evaluation set."""

    needs: ClassVar[frozenset[Ability]]
    """What a model must be able to do; the same for all methods of a class."""

    def fit(self, model: Backbone, prompt: Prompt, shots: Sequence[Shots], budget: Budget) -> list[Fitted]:
        """One result per draw of shots. The backbone is left exactly as it was.

        Raises UserError for what the user must change, DivergedError for a loss that is not finite.
        """
        ...


@runtime_checkable
class MaybeIndependent(Protocol):
    """A method that may not depend on the shots that it is given; all other methods depend on them."""

    @property
    def independent_of_draws(self) -> bool:
        """Whether every draw gives the same fitted method, so that it is run once per task."""
        ...


def update_of(method: Method) -> Update | None:
    """The update that the method trains; None where it trains nothing of the backbone."""
    found: Update | None = field_of(method, "update")
    return found


class Kind(Protocol):
    """A class of methods that train; with each update that it takes it makes a method."""

    def takes(self, update: Update) -> bool:
        """Whether there is anything to train with the update."""
        ...

    def of(self, update: Update) -> Method:
        """The method with that update, on the update's schedule or one derived from it."""
        ...


def fitted(
    readout: Head | LabelWords,
    parameters: Mapping[str, nn.Parameter],
    update: Update,
    trace: Trace,
    model: Backbone,
    seed: int,
    notes: Mapping[str, object],
    diagnostics: Callable[[], Mapping[str, object]] = dict,
) -> Fitted:
    """The result of a training run. `parameters` that received no gradient (an LM head that nothing reads) are not trained.

    `model`, `seed`: those with which the update was applied. Snapshots apply it again and set their values.
    """
    trained = {name: parameter for name, parameter in parameters.items() if name in trace.moved}
    earlier = {f"step {step}": _earlier(readout, update, trace, step, model, seed) for step in sorted(trace.snapshots)}
    return Fitted(readout, trained, update, trace.losses, trace.optimizer_bytes, notes, diagnostics, earlier)


def _earlier(readout: Head | LabelWords, update: Update, trace: Trace, step: int, model: Backbone, seed: int) -> Fitted:
    values: Mapping[str, Tensor] = trace.snapshots[step]
    adapted = update.apply(model, seed)
    parameters = dict(adapted.parameters)
    readout = replace(readout, model=adapted.model)
    if isinstance(readout, Head):
        readout = replace(readout, linear=copy.deepcopy(readout.linear))
        parameters |= {f"score.{name}": parameter for name, parameter in readout.linear.named_parameters()}
    for name, parameter in parameters.items():
        parameter.data = values[name]
    trained = {name: parameter for name, parameter in parameters.items() if name in trace.moved}
    return Fitted(readout, trained, update, trace.losses[:step], trace.optimizer_bytes)
