"""Tasks by name: those of the literature, with data from a folder or a hub, and made tasks. A user's own files: files.py."""

import difflib
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from inweights.tasks.presets import PRESETS
from inweights.types import Example, Task, UserError


def task_names() -> tuple[str, ...]:
    from inweights.tasks.made import MADE

    return (*PRESETS, *MADE)


def task(name: str, data: Path | None = None) -> Task:
    """The task of that name. Raises UserError where there is none, or where its data is missing."""
    from inweights.tasks.literature import literature_task
    from inweights.tasks.made import MADE

    if name in MADE:
        return MADE[name]
    if name in PRESETS:
        return literature_task(PRESETS[name], data)
    near = difflib.get_close_matches(name, task_names(), n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(task_names())}"
    raise UserError(f"there is no task {name!r}; {hint} (your own files: --train FILE --test FILE)")


def digest(examples: Sequence[Example]) -> str:
    """SHA-256 over fields, labels and subsets in order, 16 hexadecimal digits: the same data, whatever file it came from."""
    sha = hashlib.sha256()
    for example in examples:
        values = [dict(sorted(example.fields.items())), example.label, example.subset]
        sha.update(json.dumps(values, ensure_ascii=True).encode())
    return sha.hexdigest()[:16]


__all__ = ["PRESETS", "digest", "task", "task_names"]
