"""The files in a folder that is not a repository."""

import os
from pathlib import Path

from inweights.sources.refused import RefusedError
from inweights.sources.types import Skipped

MOST_FILES = 50_000


def names_in(folder: Path) -> tuple[list[str], list[Skipped]]:
    """Names relative to the folder, in order, without hidden files; links are skipped.

    Raises RefusedError where the folder cannot be read or has more than `MOST_FILES`.
    """
    found: list[str] = []
    skipped: list[Skipped] = []
    waiting = [""]
    while waiting:
        within = waiting.pop()
        try:
            with os.scandir(folder / within) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            if not within:
                raise RefusedError(str(folder), f"cannot be read: {error.strerror}") from error
            skipped.append(Skipped(within, f"cannot be read: {error.strerror}"))
            continue
        for entry in visible:
            if entry.is_symlink():
                skipped.append(Skipped(within + entry.name, "is a link: give its target"))
            elif entry.is_dir():
                waiting.append(f"{within}{entry.name}/")
            else:
                found.append(within + entry.name)
        if len(found) > MOST_FILES:
            raise RefusedError(str(folder), f"has more than {MOST_FILES:,} files: give a part of it")
    return sorted(found), sorted(skipped, key=lambda each: each.source)
