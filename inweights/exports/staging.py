"""A folder that appears whole or not at all: filled beside its place, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inweights.types import UserError


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, and renames it to `folder` on the way out; nothing stays of one that failed.

    Raises UserError where `folder` holds something already, or cannot be written.
    """
    refuse_occupied(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        filling = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.partial-"))
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; give another folder") from error
    try:
        yield filling
        _readable(filling)
        os.rename(filling, folder)
    except OSError as error:
        raise UserError(f"cannot write {folder}: {error.strerror or error}; nothing of it was left behind") from error
    finally:
        shutil.rmtree(filling, ignore_errors=True)


def refuse_occupied(folder: Path) -> None:
    """Raises UserError unless `folder` is free to be made."""
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise UserError(f"{folder} is there already and not empty; give another folder, or remove it first")


def _readable(folder: Path) -> None:
    """As if written plainly: temporary files and folders are made private."""
    mask = os.umask(0o022)
    os.umask(mask)
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
