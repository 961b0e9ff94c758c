"""`inweights.compare(...)` and `inweights.open(folder)`: studies from Python."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Literal

from inweights.methods import Method
from inweights.study.given_models import Model, named_models
from inweights.study.grid import planned_runs, tasks_of
from inweights.study.loading import loader
from inweights.study.objects import Objects, named_methods
from inweights.study.placement import Watch, quiet
from inweights.study.spec import Spec, read_spec, spec_of
from inweights.study.store import Store
from inweights.study.study import Study
from inweights.study.tables import Table, as_file
from inweights.types import FAILED, Task, UserError

EXAMPLES: Mapping[str, str] = {
    "set": '{"pbft+lora.update.rank": 4}',
    "ood": '{"long": "long.csv"}',
    "columns": '{"label": "gold"}',
}


def compare(
    model: Model | Sequence[Model] = "embedded",
    task: str | Task | Sequence[str | Task] = (),
    methods: str | Method | Sequence[str | Method] | Mapping[str, Method] = (),
    shots: int | Sequence[int] = (16,),
    seeds: int | Sequence[int] | None = None,
    out: str | Path | None = None,
    watch: Watch | None = None,
    *,
    train: Table | None = None,
    test: Table | None = None,
    ood: Mapping[str, Table] | None = None,
    unlabelled: Table | None = None,
    pattern: str | None = None,
    answer_prefix: str | None = None,
    labels: Sequence[str] | None = None,
    verbalizer: Sequence[str] | None = None,
    columns: Mapping[str, str] | None = None,
    data: str | Path | None = None,
    patterns: str | Sequence[str] | None = None,
    chat: str | None = None,
    preset: str | None = None,
    shots_mean: Literal["total", "per-label"] | None = None,
    first_seed: int | None = None,
    set: Mapping[str, object] | None = None,
    tune: Literal["", "holdout", "kfold"] | None = None,
    limit: int | None = None,
    steps: int | None = None,
    batch_tokens: int | None = None,
    isolated: bool | None = None,
    autocast: Literal["", "bf16", "fp16"] | None = None,
    checkpointing: bool | None = None,
    dtype: str | None = None,
    device: str | None = None,
    retry_failed: bool = False,
    dry_run: bool = False,
    progress: bool | None = None,
) -> Study:
    """Run every method on the same draws of examples; runs that `out` has already are not repeated.

    The result's `records` hold all that was measured. Raises UserError before the first run for anything that is wrong
    with the parameters; a run that fails is a record with its reason. What is None keeps its default.

    Parameters
    ----------
    model: a name or a path (`gpt2`, `path@bf16`), Weights, a backbone of `inweights.load`, a pair of a transformers model
        and its tokenizer, or a list of these.
    task: names of presets and made tasks, or Task objects. Your own tables: `train`, `test`, `ood`.
    methods: names, method objects, or a dict of method objects by the names they are to have; empty: all that run.
    shots: labelled examples in total, one number or several.
    seeds: how many draws of examples, or which ones in a row (`range(3, 6)`); 3.
    out: the study's folder; None: a temporary one.
    watch: called with every run when it begins (and None) and when it has ended (and its record).
    train, test, unlabelled: a file, a list of dicts, a pandas DataFrame or a `datasets.Dataset`.
    ood: the same by name: out-of-domain evaluation sets.
    patterns: how an example reads: names of the task's patterns (`all`: all), or texts such as `"{review} It was"`; each is
        compared, with `tune` the best one is chosen on the shots.
    pattern, answer_prefix: one pattern, and what precedes the label word in patterns given as texts.
    labels, verbalizer: names of the labels in order, and the words for them where they are not the names.
    columns: column by field, such as `{"label": "gold"}`.
    data: folder with one folder per preset task.
    chat: `on`, `off` or `auto` (for patterns given as texts): read prompts through the model's chat template.
    preset: a published protocol, `mosbach2023`.
    shots_mean: whether `shots` counts in `total` or `per-label`.
    first_seed: where the seeds begin; 0.
    set: settings by path, such as `{"pbft+lora.update.rank": 4}`, or `{"schedule.epochs": 40}` for all that have it.
    tune: how learning rate and pattern are chosen on the shots: `holdout` or `kfold`; not chosen by default.
    limit: maximum number of examples scored of each evaluation set.
    steps: maximum number of optimizer steps.
    batch_tokens: maximum number of tokens per forward pass.
    isolated: train every seed alone, so that costs are measured and not shared out.
    autocast: train in bf16 or fp16 with the weights as they are.
    checkpointing: recompute activations in the backward pass, to save memory.
    dtype: fp32, bf16 or fp16, of every model that names none.
    device: cpu, cuda, cuda:1, mps.
    retry_failed: do failed runs again.
    dry_run: run nothing; the study's `plan()` forecasts time and memory.
    progress: print each run as it ends; None: in notebooks and terminals.
    """
    given = dict(locals())
    keys = {name: given[name] for name in (*Spec.model_fields, "pattern") if given[name] is not None}
    folder = Path(out) if isinstance(out, str | Path) else Path(mkdtemp(prefix="inweights-"))
    spec, objects = _named(keys, folder)
    if dry_run:
        return study_of(spec, tasks_of(spec, objects.tasks)[0], folder, objects)
    return _run(spec, objects, folder, watch, retry_failed, progress)


def _named(given: Mapping[str, Any], folder: Path) -> tuple[Spec, Objects]:
    """The spec, which has only names and files, and the objects behind its names."""
    tasks = _several(given["task"], Task)
    _check_shapes(tasks, **{name: given.get(name) for name in EXAMPLES})
    models, loaded = named_models(given["model"], folder, given.get("dtype"))
    methods, own = named_methods(
        given["methods"] if isinstance(given["methods"], Mapping) else _several(given["methods"], Method)
    )
    values = {
        **given,
        **_seeds(given.get("seeds"), given.get("first_seed")),
        **{name: as_file(given[name], name, folder) for name in ("train", "test", "unlabelled") if name in given},
        "ood": {name: as_file(each, name, folder) for name, each in given.get("ood", {}).items()},
        "set": {key: str(value) for key, value in given.get("set", {}).items()},
        "model": models,
        "task": [each.name if isinstance(each, Task) else each for each in tasks],
        "methods": methods,
        "shots": _several(given["shots"], int),
        **{name: _several(given[name], str) for name in ("labels", "verbalizer") if name in given},
        **({"data": str(given["data"])} if "data" in given else {}),
    }
    if "patterns" in given and not isinstance(given["patterns"], str):
        values["patterns"] = list(given["patterns"])
    return spec_of(values), Objects({each.name: each for each in tasks if isinstance(each, Task)}, own, loaded)


def open_study(folder: str | Path) -> Study:
    """The study in a folder, with its records; nothing is run. Raises UserError where there is none."""
    spec = read_spec(Path(folder))
    try:
        return study_of(spec, tasks_of(spec)[0], Path(folder))
    except UserError as error:
        # Its tasks or methods were objects, or its files are gone: its records can still be read.
        return Study(Store(Path(folder)), (), spec, loader(spec.device), unplanned=str(error))


def study_of(spec: Spec, tasks: Sequence[Task], folder: Path, objects: Objects | None = None) -> Study:
    """The study of a spec with all its runs checked. Nothing is run or written."""
    objects = objects or Objects()
    planned, left_out = planned_runs(spec, tasks, objects)
    return Study(Store(folder), tuple(planned), spec, loader(spec.device, objects.models), left_out)


def _run(
    spec: Spec, objects: Objects, folder: Path, watch: Watch | None, retry_failed: bool, progress: bool | None
) -> Study:
    from inweights.study.progress import interactive, watching

    tasks, lines = tasks_of(spec, objects.tasks)
    study = study_of(spec, tasks, folder, objects)
    retried = FAILED if retry_failed else ()
    progress = interactive() if progress is None else progress
    if progress:
        for line in [*lines, *(f"left out: {name}: {reason}" for name, reason in study.left_out.items())]:
            print(line, file=sys.stderr)
    shown = progress and watch is None
    with watching(study, len(study.missing(retried)), sys.stderr) if shown else nullcontext(watch or quiet) as watcher:
        study.run(watch=watcher, retry_failed=retried)
    return study


def _several(given: Any, single: type) -> list[Any]:
    """One object, names in one text with commas, or a list of either."""
    if isinstance(given, str):
        return [each.strip() for each in given.split(",") if each.strip()]
    return [given] if isinstance(given, single) or not isinstance(given, Iterable) else list(given)


def _check_shapes(tasks: Sequence[Any], **mappings: Any) -> None:
    """Raises UserError for anything but a task or its name, and for anything but a dict where one is expected."""
    for each in tasks:
        if not isinstance(each, str | Task):
            raise UserError(f"{each!r} is not a task: expected a name, such as 'rte', or a Task")
    for name, given in mappings.items():
        if given is not None and not isinstance(given, Mapping):
            raise UserError(f"{name} is {given!r}: expected a dict, such as {EXAMPLES[name]}")


def _seeds(seeds: int | Sequence[int] | None, first: int | None) -> dict[str, int]:
    """The number of seeds, and the first one if it is given."""
    if seeds is None or isinstance(seeds, int):
        return {name: value for name, value in (("seeds", seeds), ("first_seed", first)) if value is not None}
    listed = _several(seeds, int)
    numbers = bool(listed) and all(isinstance(each, int) for each in listed)
    if not numbers or listed != list(range(listed[0], listed[0] + len(listed))):
        raise UserError(f"seeds is {listed}: expected a number, or seeds in a row, such as [0, 1, 2]")
    return {"seeds": len(listed), "first_seed": listed[0]}
