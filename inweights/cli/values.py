"""Arguments of a shell as values: lists with commas, pairs, line breaks, paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inweights.types import UserError


def split(values: Sequence[str] | None) -> list[str] | None:
    """The values of a repeatable option, each of which may be several with commas; None for none."""
    return [each for value in values for each in value.split(",") if each] if values else None


def pairs(values: Sequence[str] | None, form: str) -> dict[str, str] | None:
    """Pairs of NAME=VALUE; `form` names them in errors, such as `--ood NAME=FILE`. Raises UserError for anything else."""
    parted = [value.partition("=") for value in values or []]
    for name, equals, value in parted:
        if not (name and equals and value):
            raise UserError(f"{name}{equals}{value}: expected {form}")
    return {name: value for name, _, value in parted} or None


def with_breaks(text: str) -> str:
    r"""The text with line breaks for `\n`, which a shell passes on as two characters."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


def as_path(text: Any) -> Path | None:
    """The folder that a file names. Raises UserError for anything but one name."""
    if text is not None and not isinstance(text, str):
        raise UserError(f"out is {text!r}: expected the name of one folder")
    return None if text is None else Path(text)
