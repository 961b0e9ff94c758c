"""Texts in, labels and probabilities out: predictions of a fitted method or of an export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from inweights.readouts import Readout
from inweights.types import Example, Prompt, UserError

Input = str | Mapping[str, str]
"""A text, where the pattern has one field, or the fields by name."""


@dataclass(frozen=True)
class Prediction:
    """The prediction for one example."""

    label: str
    probabilities: Mapping[str, float]
    """By label, in label order; they sum to 1."""


def predictions(readout: Readout, inputs: Sequence[Input]) -> list[Prediction]:
    """One for each input. Raises UserError for other fields than the pattern has."""
    if isinstance(inputs, str | Mapping):
        raise UserError("expected a list of inputs, not one: put it into brackets")
    examples = [example_of(each, readout.prompt) for each in inputs]
    if not examples:
        return []
    labels = readout.prompt.labels
    rows = readout(examples).softmax(-1).tolist()
    return [Prediction(labels[row.index(max(row))], dict(zip(labels, row, strict=True))) for row in rows]


def example_of(given: Input, prompt: Prompt) -> Example:
    """Raises UserError where a field of the pattern is missing or empty."""
    return Example(_fields(given, prompt))


def _fields(given: str | Mapping[str, str], prompt: Prompt) -> Mapping[str, str]:
    names = prompt.field_names
    if isinstance(given, str):
        if len(names) != 1:
            raise UserError(f"the pattern has the fields {', '.join(names)}: give them by name, not as one text")
        given = {names[0]: given}
    for name in names:
        if name not in given:
            raise UserError(f"the field {name!r} is missing; the pattern asks for {', '.join(names)}")
        if not given[name].strip():
            raise UserError(f"the field {name!r} is empty: give a text")
    return given
