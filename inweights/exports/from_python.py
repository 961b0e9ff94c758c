"""`inweights.export(...)`: what `best --export` does, from Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inweights.exports.card import About
from inweights.exports.export import export as exported
from inweights.exports.verify import Verification
from inweights.methods import Fitted
from inweights.predictions import example_of


def export(
    fitted: Fitted, folder: str | Path, checks: Sequence[str | Mapping[str, str]], about: About | None = None
) -> Verification:
    """Write a fitted method as a folder that loads elsewhere, and prove it on `checks` in a fresh process.

    `checks`: texts, or dicts of fields, that are scored before and after. Raises RejectedError where the scores differ,
    UserError where the folder is taken; nothing is left of it then.
    """
    return exported(fitted, Path(folder), [example_of(each, fitted.readout.prompt) for each in checks], about)
