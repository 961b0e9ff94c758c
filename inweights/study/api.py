"""`inweights.compare(...)`: a study from Python."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from inweights.study.grid import planned_runs, tasks_of
from inweights.study.loading import load
from inweights.study.placement import Watch
from inweights.study.spec import Spec, spec_of
from inweights.study.store import Store
from inweights.study.study import Study
from inweights.types import Task


def compare(
    model: str | Sequence[str] = "embedded",
    task: str | Sequence[str] = (),
    methods: str | Sequence[str] = (),
    shots: int | Sequence[int] = (16,),
    seeds: int | None = None,
    out: str | Path | None = None,
    watch: Watch = lambda setting, record: None,
    **more: Any,  # any other key of a study's file, checked there
) -> Study:
    """Run every method on the same draws of examples; what `out` holds already is not done again.

    The result's `records` say all that was measured. Raises UserError before the first run for anything that is
    wrong with what was asked; a run that fails is a record with its reason.
    """
    values: dict[str, Any] = {
        "model": _listed(model),
        "task": _listed(task),
        "methods": _listed(methods),
        "shots": [shots] if isinstance(shots, int) else list(shots),
        **({} if seeds is None else {"seeds": seeds}),
        **more,
    }
    spec = spec_of(values)
    study = study_of(spec, tasks_of(spec)[0], Path(out) if out else Path(mkdtemp(prefix="inweights-")))
    study.run(partial(load, device=spec.device), watch)
    return study


def study_of(spec: Spec, tasks: Sequence[Task], folder: Path) -> Study:
    """The study of a spec, all its runs checked. Nothing is run and nothing written."""
    settings, left_out = planned_runs(spec, tasks)
    return Study(Store(folder), tuple(settings), spec, left_out)


def _listed(values: str | Sequence[str]) -> list[str]:
    return [values] if isinstance(values, str) else list(values)
