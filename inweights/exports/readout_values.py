"""A readout as JSON values, and back: pattern, label map, demonstrations, calibration, what is read off."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from torch import Tensor, nn

from inweights.models.base import Backbone
from inweights.models.families import FAMILIES
from inweights.models.queries import scored_suffix
from inweights.plain_text import without_marks
from inweights.readouts import Ensemble, Head, LabelWords, Readout
from inweights.types import ChatFrame, Example, Prompt


def to_values(readout: Readout) -> dict[str, Any]:
    """`task_type` says with which standard class the weights give the same scores."""
    if isinstance(readout, Ensemble):
        members = [_words(member) for member in readout.members]
        return {"kind": "ensemble", "task_type": "CAUSAL_LM", "prompt": asdict(readout.prompt), "members": members}
    if isinstance(readout, LabelWords):
        return _words(readout)
    if not isinstance(readout, Head):
        raise TypeError(f"there is no export format for a {type(readout).__name__}")
    own = FAMILIES[readout.model.card.family].summary
    return {
        "kind": "head",
        "task_type": _task_type(readout),
        "prompt": asdict(readout.prompt),
        "pooling": own if readout.pooling == "own" else readout.pooling,
    }


def from_values(values: Mapping[str, Any], model: Backbone, head: Mapping[str, Tensor]) -> Readout:
    """`head`: `score.weight` and perhaps `score.bias`; empty where label words are read."""
    if values["kind"] == "ensemble":
        return Ensemble(tuple(_label_words(member, model) for member in values["members"]))
    if values["kind"] == "label-words":
        return _label_words(values, model)
    weight, bias = head["score.weight"], head.get("score.bias")
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.load_state_dict({name.removeprefix("score."): tensor for name, tensor in head.items()})
    linear.to(model.device)
    return Head(model, prompt_of(values), linear, "mean" if values["pooling"] == "mean" else "own")


def texts(readout: Readout, example: Example) -> tuple[str, ...]:
    """What the model is shown of an example that fits it whole; one text for each member of an ensemble."""
    members = readout.members if isinstance(readout, Ensemble) else (readout,)
    return tuple(
        without_marks(member.prompt.context(getattr(member, "demonstrations", ())) + member.prompt.body(example))
        for member in members
    )


def prompt_of(values: Mapping[str, Any]) -> Prompt:
    fields: Any = {key: tuple(each) if isinstance(each, list) else each for key, each in values["prompt"].items()}
    chat = fields.pop("chat", None)
    return Prompt(**fields, chat=ChatFrame(**chat) if chat else None)


def _words(readout: LabelWords) -> dict[str, Any]:
    return {
        "kind": "label-words",
        "task_type": "CAUSAL_LM",
        "prompt": asdict(readout.prompt),
        "demonstrations": [asdict(each) for each in readout.demonstrations],
        "offsets": list(readout.offsets),
        "suffix": scored_suffix(readout.model.encode, readout.prompt.choices, readout.prompt.ends_answer),
    }


def _label_words(values: Mapping[str, Any], model: Backbone) -> LabelWords:
    shown = tuple(Example(**each) for each in values["demonstrations"])
    return LabelWords(model, prompt_of(values), shown, tuple(values["offsets"]))


def _task_type(readout: Head) -> str:
    """transformers' classifier on a causal model is our head where it has no bias; an encoder's has layers of its own."""
    from transformers import AutoModelForSequenceClassification

    known = type(readout.model.module.config) in AutoModelForSequenceClassification._model_mapping
    same = "text" in readout.model.card.abilities and readout.linear.bias is None and readout.pooling == "own"
    return "SEQ_CLS" if same and known else "FEATURE_EXTRACTION"
