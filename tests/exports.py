"""Fitted methods of every kind, made without training: what changed is changed by noise, so that it shows."""

import torch
from torch import nn

from inweights.methods import Fitted
from inweights.models.base import Backbone
from inweights.readouts import Ensemble, Head, LabelWords
from inweights.types import Example, Prompt
from inweights.updates import UPDATES

PROMPT = Prompt("Review: {text}", ("great", "terrible"), ("pos", "neg"), " Sentiment:")
SHOWN = (Example({"text": "a good cook"}, 0), Example({"text": "a lazy {king}"}, 1))
CHECKS = [Example({"text": text}, 0) for text in ("the doctor paid", "it {rained}", "is</s><s> this [SEP] old, or what?")]


def words(model: Backbone, update: str) -> Fitted:
    """Label words of an updated backbone."""
    adapted = UPDATES[update].apply(model, seed=0)
    _shake(adapted.parameters)
    return Fitted(LabelWords(adapted.model, PROMPT), adapted.parameters, UPDATES[update])


def head(model: Backbone, update: str, pooling: str = "own", bias: bool = False) -> Fitted:
    """A head on an updated backbone."""
    adapted = UPDATES[update].apply(model, seed=0)
    linear = nn.Linear(model.hidden_size, 2, bias=bias)
    trained = {**adapted.parameters, **{f"score.{name}": each for name, each in linear.named_parameters()}}
    _shake(trained)
    return Fitted(Head(adapted.model, PROMPT, linear, pooling), trained, UPDATES[update])  # type: ignore[arg-type]


def in_context(model: Backbone) -> Fitted:
    return Fitted(LabelWords(model, PROMPT, SHOWN, (-0.5, -1.5)))


def ensemble(model: Backbone) -> Fitted:
    return Fitted(Ensemble((LabelWords(model, PROMPT, SHOWN), LabelWords(model, PROMPT, SHOWN[::-1], (-1.0, 0.0)))))


def _shake(parameters: dict[str, nn.Parameter]) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in parameters.values():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
