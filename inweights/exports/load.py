"""An export loaded again: what scores examples, and what its folder says of itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from inweights import cards, models
from inweights.exports import manifest as manifests
from inweights.exports.export import tokenizer_digest
from inweights.exports.load_adapter import head_tensors, with_adapter
from inweights.exports.manifest import Base, Manifest
from inweights.exports.readout_values import from_values
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.predictions import Prediction, example_of, predictions
from inweights.readouts import Readout
from inweights.types import Prompt, UserError


@dataclass(frozen=True)
class Artifact:
    """An export in memory."""

    readout: Readout
    manifest: Manifest

    @property
    def prompt(self) -> Prompt:
        return self.readout.prompt

    def fallbacks(self, inputs: Sequence[str | Mapping[str, str]]) -> dict[str, int]:
        """How many inputs are too long to be read as they are, by what `predict` does about it; empty where none is."""
        return self.readout.fallbacks([example_of(each, self.prompt) for each in inputs])

    def predict(self, inputs: Sequence[str | Mapping[str, str]]) -> list[Prediction]:
        """Of texts, where the pattern has one field, or of fields by name. Raises UserError for other fields."""
        return predictions(self.readout, inputs)


def load(folder: Path | str, model: str | None = None) -> Artifact:
    """The export in `folder`. `model`: where its base model is, if not where it was.

    Raises UserError where the folder is not whole, or the base model is not the one it was fitted on.
    """
    folder = Path(folder)
    said = manifests.read(folder)
    if said.form == "model":
        if model is not None:
            raise UserError(f"{folder} holds its own weights: leave --model out")
        backbone = models.load(str(folder), said.base.dtype)
    else:
        backbone = _base(folder, said, model)
    if said.form == "adapter":
        backbone = with_adapter(folder, said, backbone)
    try:
        return Artifact(from_values(said.readout, backbone, head_tensors(folder)), said)
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{folder / cards.MANIFEST} does not fit the folder ({error}): export it again") from error


def _base(folder: Path, said: Manifest, model: str | None) -> Backbone:
    try:
        found = models.load(model or said.base.name, said.base.dtype)
    except UserError as error:
        if model is not None:
            raise
        raise UserError(f"the base model of {folder} is not where it was: give --model ({error})") from error
    _same_base(folder, said.base, found)
    ids = tokenizer_digest(found, [check.example for check in said.checks])
    if ids != said.base.tokenizer:
        raise UserError(
            f"the tokenizer of {found.card.name} gives other tokens than the one {folder} was fitted with "
            f"({ids} instead of {said.base.tokenizer}): give the model with its own tokenizer"
        )
    return found


def _same_base(folder: Path, base: Base, found: Backbone) -> None:
    """By its files, or, where those are packed otherwise, by its weights."""
    if base.digest == found.card.digest or base.weights == weights_digest(found.module):
        return
    raise UserError(
        f"{folder} was fitted on {base.name} with the weights {base.digest}, and {found.card.name} has "
        f"{found.card.digest}: give the right one with --model"
    )
