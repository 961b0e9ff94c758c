"""Rows from a data set hub, through `datasets`, which is imported here and nowhere else."""

from collections.abc import Sequence
from importlib.util import find_spec

from inweights.tasks.preset import Hub, Preset
from inweights.tasks.rows import Row
from inweights.types import UserError


def check_reachable(preset: Preset) -> None:
    """Raises UserError where no hub can be reached, before the model is loaded."""
    if find_spec("datasets") is None:
        raise UserError(
            f"the data of {preset.name} is not given, and no hub can be used: give --data FOLDER, a folder with "
            f"{preset.sources['train'].folders[0]}/train.jsonl and the other sets, or pip install 'inweights[hub]'"
        )


def hub_rows(hub: Hub) -> Sequence[tuple[int, Row]]:
    """Raises UserError with the reason where the set cannot be loaded."""
    from datasets import load_dataset

    try:
        return list(enumerate(load_dataset(hub.name, hub.configuration, split=hub.split), start=1))
    except Exception as error:  # the libraries below raise errors of a dozen kinds
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{hub.name} cannot be loaded from the hub ({reason}): give its folder with --data FOLDER"
        ) from error
