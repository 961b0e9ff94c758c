"""Reading what an exported folder says of itself, and refusing one that is not as it was written."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from inweights.types import UserError

T = TypeVar("T")


def read_card(path: Path, format: int, parsed: Callable[[dict[str, Any]], T], remedy: str) -> T:
    """`parsed` of the JSON in `path`. `remedy`: what makes the folder again, such as `export it again`.

    Raises UserError where the file cannot be read or is of another format.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        written = values["format"]
        found = parsed(values) if written == format else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {error}): {remedy}") from error
    if found is None:
        raise UserError(f"{path} is of format {written}, this inweights reads {format}: {remedy}, or update inweights")
    return found


def refuse_changed(files: Mapping[str, str], folder: Path, remedy: str) -> None:
    """Raises UserError unless every file of `folder` is there with the SHA-256 it was written with."""
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            raise UserError(f"{folder} is not whole: {name} is missing; copy it again, or {remedy}")
        if file_digest(path) != digest:
            raise UserError(f"{path} is not the exported file (its SHA-256 differs); copy it again, or {remedy}")


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
