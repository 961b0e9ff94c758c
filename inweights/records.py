"""Records as JSON: one file for each run, written whole or not at all."""

import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inweights.restored import restored
from inweights.types import Record, UserError

FORMAT = 2
"""1 held the indices of labels and the model's name alone: no scores, no answers, no dtype."""


class OldFormatError(ValueError):
    """The record was written by an earlier version."""


def write_whole(path: Path, content: str | bytes) -> None:
    """Put `content` in `path` so that at any instant the file is either as before or complete.

    Raises OSError, for example on a full disk; no partial file is left then.
    """
    # Not with tempfile, whose files only their owner can read: a study's folder may belong to a group.
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def to_json(record: Record) -> str:
    return json.dumps({"format": FORMAT, **asdict(record)}, ensure_ascii=False, separators=(",", ":")) + "\n"


def from_json(text: str) -> Record:
    """Raises ValueError, KeyError or TypeError where the text is not a record of this format."""
    values: dict[str, Any] = json.loads(text)
    found = values.pop("format")
    if isinstance(found, int) and found < FORMAT:
        raise OldFormatError(f"it has record format {found}, and this version of inweights reads format {FORMAT}")
    if found != FORMAT:
        raise ValueError("it was written in another format")
    return restored(Record, values)


def read(path: Path) -> Record:
    """Raises UserError that names the file where it does not hold a whole record of this format."""
    try:
        return from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except OldFormatError as error:
        raise UserError(
            f"{path} was written by an earlier version ({error}): run the study again with another --out, "
            f"or delete {path.parent} to measure again in the same folder"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} is not a whole record ({error}): delete it and run the study again, which redoes that run"
        ) from error


def read_folder(study: Path) -> list[Record]:
    """Every record under `study`/records, in the order of their names."""
    folder = study / "records"
    if not folder.is_dir():
        raise UserError(f"{study} is not a study: it has no folder `records`; `inweights compare --out {study}` makes one")
    return [read(path) for path in sorted(folder.glob("*.json"))]


def is_learned(study: Path) -> bool:
    """Whether the folder holds the records of a learned context, which no study has made."""
    try:
        spec = json.loads((study / "study.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(spec, dict) and "learned" in spec


PLAN = "plan.json"


def write_plan(study: Path, names: Sequence[str]) -> None:
    """Keep the ids of the runs of a study's last plan."""
    write_whole(study / PLAN, json.dumps({"runs": list(names)}, indent=0) + "\n")


def progress(study: Path) -> str:
    """Such as `38 of 144 planned runs are done: the figures are provisional`; "" where all are."""
    path = study / PLAN
    if not path.is_file():
        return ""
    try:
        names = list(json.loads(path.read_text(encoding="utf-8"))["runs"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): delete it, or run the study again") from error
    done = sum((study / "records" / f"{name}.json").exists() for name in names)
    return "" if done == len(names) else f"{done} of {len(names)} planned runs are done: the figures are provisional"
