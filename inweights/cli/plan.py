"""`inweights plan`: what a comparison would take in time and memory, run by run, and what would make it fit."""

import inspect
from typing import Any

from inweights.cli.compare import compare

RUNNING = ("dry_run", "retry_failed")
"""Options of `compare` that say how to run it."""


def plan(**options: Any) -> None:
    """Say what `inweights compare` would take with the same options: time and memory of every run.

    No weights are read and nothing is run. What does not fit in memory is named, with what takes most of it.

    Example:

      inweights plan --task rte --data data/ --model gpt2 --shots 16,32 --seeds 5
    """
    compare(**options, dry_run=True, retry_failed=False)


# What typer makes the options from.
_own = inspect.signature(compare)
_kept = {name: each for name, each in _own.parameters.items() if name not in RUNNING}
plan.__signature__ = _own.replace(parameters=list(_kept.values()))  # type: ignore[attr-defined]
plan.__annotations__ = {name: each.annotation for name, each in _kept.items()}
