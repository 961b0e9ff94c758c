"""A study as a YAML file: its keys are the options, with `-` or `_`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from inweights.types import UserError


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values as from the command line. Raises UserError where the file is not of this kind.

    Every value is read as text: `labels: [no, yes]` are two words, not two truth values, and `rank: 4` is what
    `--set` would be given.
    """
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), Loader=yaml.BaseLoader)
    except FileNotFoundError as error:
        raise UserError(f"there is no file {path}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} is not a study: expected keys and values, such as `model: embedded`")
    found = {str(key).replace("-", "_"): value for key, value in values.items() if value not in ("", "null", "~")}
    if "set" in found:
        found["set"] = _flat(found["set"])
    if "shots_per_label" in found:
        if "shots" in found:
            raise UserError(f"{path}: give either shots or shots-per-label, not both")
        found |= {"shots": found.pop("shots_per_label"), "shots_mean": "per-label"}
    return found


def _flat(values: Any, path: str = "") -> Any:
    """`{pbft+lora: {update: {rank: 4}}}` is `{pbft+lora.update.rank: 4}`; a value that is not a mapping is refused later."""
    if not isinstance(values, Mapping):
        return values
    found: dict[str, Any] = {}
    for key, value in values.items():
        whole = f"{path}.{key}" if path else str(key)
        found |= _flat(value, whole) if isinstance(value, Mapping) else {whole: value}
    return found
