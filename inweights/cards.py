"""What an exported folder says of itself, as JSON: written whole, and refused where it or a file beside it was changed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

from inweights.records import write_whole
from inweights.types import UserError

T = TypeVar("T")
MANIFEST, CONTEXT_CARD, MODEL_CARD, PAGE = "inweights.json", "context_card.json", "README.md", "page.html"
UNHASHED = {MANIFEST, CONTEXT_CARD, MODEL_CARD, PAGE}
"""A model card is there to be edited, and the page is written after everything else."""


def write_card(card: Any, path: Path) -> None:
    """`card`: a dataclass whose field `format` is checked when it is read."""
    write_whole(path, json.dumps(asdict(card), ensure_ascii=False, indent=1) + "\n")


def read_card(
    path: Path,
    format: int,
    parsed: Callable[[dict[str, Any]], T],
    remedy: str,
    loads: Callable[[str], Any] = json.loads,
) -> T:
    """`parsed` of the JSON in `path`. `remedy`: what makes the folder again, such as `export it again`.

    Raises UserError where the file cannot be read or is of another format.
    """
    try:
        values = loads(path.read_text(encoding="utf-8"))
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
        if _digest(path) != digest:
            raise UserError(f"{path} is not the exported file (its SHA-256 differs); copy it again, or {remedy}")


def digests(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in the folder that must stay as it is."""
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    return {name: _digest(path) for name, path in files.items() if name not in UNHASHED}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
