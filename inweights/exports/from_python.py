"""`inweights.export(...)`: what `best --export` does, from Python, and the same of any fitted method."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inweights.exports.card import About
from inweights.exports.export import export as exported
from inweights.exports.refit import export_choice
from inweights.exports.staging import refuse_occupied
from inweights.exports.verify import Verification
from inweights.methods import Fitted, canonical
from inweights.predictions import example_of
from inweights.report import Wanted, choose
from inweights.report.wanted import ANY
from inweights.study import Study
from inweights.types import UserError


def export(
    fitted: Fitted | Study,
    folder: str | Path,
    checks: Sequence[str | Mapping[str, str]] = (),
    about: About | None = None,
    *,
    task: str | None = None,
    model: str | None = None,
    method: str | None = None,
    pattern: str | None = None,
    shots: int | None = None,
    seed: int | None = None,
) -> Verification:
    """Write a fitted method as a folder that loads elsewhere, and prove it in a fresh process.

    Of a fitted method: `checks`, texts or dicts of fields, are scored before and after. Of a study: the run that `method`,
    `shots` and the other names choose, the best one without them, is fitted again, and must be the one that was measured.
    Raises RejectedError where the scores differ, UserError where the folder is taken; nothing is left of it then.
    """
    wanted = Wanted(task, model, method and canonical(method), pattern, shots, seed)
    if isinstance(fitted, Fitted):
        if wanted != ANY or not checks:
            raise UserError("a fitted method is exported with checks, a list of texts, and no name of a run")
        return exported(fitted, Path(folder), [example_of(each, fitted.readout.prompt) for each in checks], about)
    refuse_occupied(Path(folder))
    choice = choose(fitted.records, wanted=wanted)
    return export_choice(choice, fitted.planned(choice.record.run), fitted.spec.device, Path(folder))
