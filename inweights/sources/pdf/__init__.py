"""PDF: read in a separate process, so that a file that breaks its reader is an error of one line."""

import json
import os
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from inweights.sources.plain import in_words
from inweights.sources.refused import RefusedError
from inweights.sources.types import Context, Section


@dataclass(frozen=True)
class Limits:
    """Limits of reading one PDF."""

    file_bytes: int = 200_000_000
    pages: int = 5_000
    seconds: float = 300.0
    """Wall-clock seconds; a page takes about 0.05."""
    memory_bytes: int = 2_000_000_000


def read(path: Path, source: str, limits: Limits = Limits()) -> Context:
    """A section for the text under each heading, of two pages at most.

    Headings come from the outline, or else from type sizes. Raises RefusedError for a PDF that is encrypted, scanned, cut
    off, damaged, or takes more than the limits.
    """
    if not path.is_file():
        raise RefusedError(source, "is not a regular file: give a file or a folder")
    if (size := path.stat().st_size) > limits.file_bytes:
        raise RefusedError(
            source, f"has {in_words(size)}, more than the {in_words(limits.file_bytes)} that are read: split it"
        )
    found = _in_a_process(path, source, limits)
    if "refused" in found:
        raise RefusedError(source, found["refused"])
    title = found["title"] or Path(source).stem
    return Context(tuple(Section(text, title, tuple(above), source, where) for text, above, where in found["sections"]))


def _in_a_process(path: Path, source: str, limits: Limits) -> dict[str, Any]:
    command = [sys.executable, "-P", "-m", "inweights.sources.pdf.process"]
    given = json.dumps({"path": os.fsdecode(path), **asdict(limits)})
    # The new process can import what this one can, however that path was set.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
    try:
        done = subprocess.run(command, input=given.encode(), capture_output=True, timeout=limits.seconds, env=environment)
    except subprocess.TimeoutExpired as error:
        what = f"was not read in {limits.seconds:g} seconds, so it is very long or made to stall its reader"
        raise RefusedError(source, f"{what}: split it, or save it as text") from error
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        last = done.stderr.decode(errors="replace").strip().split("\n")[-1][:200] or f"exit status {done.returncode}"
        raise RefusedError(source, f"broke its reader ({last}): save it as text, or print it to a new PDF") from error
    return found
