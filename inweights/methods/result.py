"""From a finished training run to what is handed back: what was trained, and the same at earlier steps."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace

from torch import Tensor, nn

from inweights.methods.base import Fitted
from inweights.models.base import Backbone
from inweights.readouts import Head, LabelWords
from inweights.training import Trace
from inweights.updates import Update


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
    """`parameters` that no gradient has ever reached (an LM head that nothing reads) do not count as trained.

    `model`, `seed`: what the update was applied to, and with; snapshots apply it anew and put their values in.
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
