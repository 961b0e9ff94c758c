"""`inweights.compare(...)`: a study from Python."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from inweights.models.family import family_of
from inweights.study.grid import settings_of, tasks_of
from inweights.study.loading import load
from inweights.study.spec import Spec, spec_of
from inweights.study.store import Store
from inweights.study.study import Study, Watch
from inweights.types import Task


def compare(
    model: str | Sequence[str] = "embedded",
    task: str | Sequence[str] = (),
    methods: Sequence[str] = (),
    shots: Sequence[int] = (16,),
    seeds: int = 3,
    out: str | Path | None = None,
    watch: Watch = lambda setting, record: None,
    **more: Any,  # any other key of a study's file, checked there
) -> Study:
    """Run every method on the same draws of examples; what `out` holds already is not done again.

    The result's `records` say all that was measured. Raises UserError before the first run for anything that is
    wrong with what was asked; a run that fails is a record with its reason.
    """
    values: Mapping[str, Any] = {
        "model": [model] if isinstance(model, str) else list(model),
        "task": [task] if isinstance(task, str) else list(task),
        "methods": list(methods),
        "shots": list(shots),
        "seeds": seeds,
        **more,
    }
    spec = spec_of(dict(values))
    study = study_of(spec, tasks_of(spec)[0], Path(out) if out else Path(mkdtemp(prefix="inweights-")))
    study.run(lambda name: load(name, spec.dtype, spec.device), watch)
    return study


def study_of(spec: Spec, tasks: Sequence[Task], folder: Path) -> Study:
    """The study of a spec, all its runs checked; its folder is made, nothing is run."""
    settings = settings_of(spec, tasks, {name: family_of(name) for name in spec.model})
    store = Store(folder)
    store.prepare(spec.model_dump())
    return Study(store, tuple(settings))
