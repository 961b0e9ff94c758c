"""What a shell passes on, as values: lists with commas, pairs, line breaks, paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inweights.types import UserError


def split(values: Sequence[str] | None) -> list[str] | None:
    """Values of a repeatable option, each of which may hold several with commas; None for none."""
    return [each for value in values for each in value.split(",") if each] if values else None


def pairs(values: Sequence[str] | None, form: str) -> dict[str, str] | None:
    """NAME=VALUE each, as `form` says it, such as `--ood NAME=FILE`. Raises UserError for what is not."""
    parted = [value.partition("=") for value in values or []]
    for name, equals, value in parted:
        if not (name and equals and value):
            raise UserError(f"{name}{equals}{value}: expected {form}")
    return {name: value for name, _, value in parted} or None


def with_breaks(text: str) -> str:
    r"""`\n` as a shell passes it on within quotes is a line break."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


def as_path(text: Any) -> Path | None:
    """A folder that a file names. Raises UserError for anything but one name."""
    if text is not None and not isinstance(text, str):
        raise UserError(f"out is {text!r}: expected the name of one folder")
    return None if text is None else Path(text)
