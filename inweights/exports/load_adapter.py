"""What was trained, read back from the files of an export."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from inweights.exports.manifest import Manifest
from inweights.models.base import Backbone
from inweights.types import UserError
from inweights.updates import UPDATES
from inweights.updates.peft_format import Target


def with_adapter(folder: Path, said: Manifest, backbone: Backbone) -> Backbone:
    """The base model with the adapter's tensors in the update that they were trained in."""
    assert said.update is not None
    try:
        update: Any = replace(UPDATES[said.update.name], **said.update.settings)  # type: ignore[type-var]
    except (KeyError, TypeError) as error:
        raise UserError(f"this inweights does not know the update of {folder} ({error}): update inweights") from error
    adapted = update.apply(backbone, seed=0)
    path = folder / said.update.file
    prefix = Target(backbone, said.base.place, said.readout["task_type"]).prefix
    named = {f"{prefix}{name}": each for name, each in update.restored(_tensors(path), adapted).items()}
    # What training did not reach is not in the file: the bias of an LM head that a classifier does not read.
    there = {name: parameter for name, parameter in adapted.parameters.items() if name in named}
    if (adapted.parameters and not there) or any(named[name].shape != parameter.shape for name, parameter in there.items()):
        raise UserError(f"{path} does not fit the base model: export it again")
    with torch.no_grad():
        for name, parameter in there.items():
            parameter.copy_(named[name])
    for parameter in adapted.parameters.values():
        parameter.requires_grad_(False)
    model: Backbone = adapted.model
    return model


def head_tensors(folder: Path) -> dict[str, Tensor]:
    """`score.weight` and `score.bias`, wherever in the folder they are."""
    from safetensors import SafetensorError, safe_open

    found = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118  not a dict
                    if name.endswith(("score.weight", "score.bias")):
                        found[f"score.{name.rpartition('.')[2]}"] = file.get_tensor(name).float()
        except SafetensorError as error:
            raise UserError(f"{path} cannot be read ({error}): copy it again, or export it again") from error
    return found


def _tensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read ({error}): copy it again, or export it again") from error
