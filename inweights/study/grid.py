"""From a spec to its runs, all resolved and checked before the first one starts."""

import difflib
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

from inweights.methods import METHODS, canonical
from inweights.metrics import metric_named
from inweights.models import refuse_unavailable
from inweights.settings import settings
from inweights.study.applicability import check_label_words, default_methods, why_not_applicable
from inweights.study.chat import in_chat
from inweights.study.draw import check_distinct
from inweights.study.objects import Objects
from inweights.study.patterns import is_text, prompts_of, with_texts
from inweights.study.planned import PlannedRun
from inweights.study.spec import DEMO_TASKS, Spec, weights_of
from inweights.tasks import digest
from inweights.tasks import task as task_named
from inweights.tasks.files import from_files
from inweights.types import Budget, Run, Task, UserError, Weights

Overrides = Mapping[str, Mapping[str, str]]
"""By method the settings that differ from its defaults."""


NOTHING = Objects()
"""Nothing is given as an object."""


def tasks_of(spec: Spec, given: Mapping[str, Task] = MappingProxyType({})) -> tuple[list[Task], tuple[str, ...]]:
    """The tasks, with those of `given` found by name, and lines to print about them."""
    data = Path(spec.data) if spec.data else None
    if spec.train is None:
        if spec.test or spec.ood:
            raise UserError("--test and --ood need --train FILE with the examples to learn from")
        named = dict.fromkeys(spec.task or DEMO_TASKS)
        tasks = [with_texts(spec, given[name] if name in given else task_named(name, data)) for name in named]
        return tasks, tuple(note for task in tasks for note in task.notes)
    if spec.task:
        raise UserError(f"give either --train or --task {' '.join(spec.task)}, not both")
    own = from_files(
        Path(spec.train),
        Path(spec.test) if spec.test else None,
        {name: Path(path) for name, path in spec.ood.items()},
        Path(spec.unlabelled) if spec.unlabelled else None,
        [each for each in spec.patterns if is_text(each)],
        spec.labels,
        spec.verbalizer,
        spec.columns,
        spec.answer_prefix,
    )
    return [own.task], own.detected


def planned_runs(
    spec: Spec, tasks: Sequence[Task], objects: Objects = NOTHING
) -> tuple[list[PlannedRun], Mapping[str, str]]:
    """Every run of the grid, and the methods left out by name with the reason. Nothing heavy is loaded.

    Raises UserError for the first thing that is wrong with any of them.
    """
    methods, left_out = _methods(spec, objects)
    overrides = _overrides(spec, objects, list(dict.fromkeys(name for names in methods.values() for name in names)))
    for model, names in methods.items():
        for name in names:
            if reason := why_not_applicable(objects.method(name, overrides[name]), objects.model(model)):
                raise UserError(f"{name} does not run on {model}: {reason}")
    for task in tasks:
        metric_named(task.metric)
    prompts = {task.name: prompts_of(spec, task) for task in tasks}
    for model, names in methods.items():
        if any("choices" in objects.method(name).needs for name in names):
            for task in tasks:
                for prompt in prompts[task.name]:
                    check_label_words(objects.model(model), prompt, task.splits["train"].load()[0])
    for task, shots in product(tasks, spec.shots):
        _check_shots(spec, task, _total(spec, task, shots))
    data = {task.name: {"data digest": data_digest(task)} for task in tasks}
    found: list[PlannedRun] = []
    for model, task in product(methods, tasks):
        backbone = objects.model(model)
        framed = [in_chat(each, backbone, spec.chat, each.pattern in spec.patterns) for each in prompts[task.name]]
        # Tuning chooses among the patterns; without it every pattern has its own run.
        choices = [framed] if spec.tune else [[prompt] for prompt in framed]
        for chosen, name in product(choices, methods[model]):
            settings_of = {**objects.own_settings(name), **overrides[name]}
            names_of = ",".join(prompt.name for prompt in chosen)
            run = Run(model, task.name, name, 0, 0, names_of, settings_of, _budget(spec), spec.limit, spec.tune)
            method = objects.method(name, overrides[name])
            planned = PlannedRun(run, task, chosen[0], method, data[task.name], tuple(chosen[1:]))
            found += [planned] if planned.independent else _drawn(planned, spec)
    # All methods of the first seed come first, with the seeds that share their passes: so a study that is stopped early
    # is still a comparison.
    order = list(methods)
    return sorted(found, key=lambda setting: (order.index(setting.run.weights), setting.run.seed)), left_out


def _drawn(planned: PlannedRun, spec: Spec) -> list[PlannedRun]:
    """The same run for every number of shots and every seed."""
    totals = dict.fromkeys(_total(spec, planned.task, shots) for shots in spec.shots)
    return [replace(planned, run=replace(planned.run, shots=total, seed=seed)) for total in totals for seed in _seeds(spec)]


def _budget(spec: Spec) -> Budget:
    return Budget(spec.steps, spec.batch_tokens, spec.isolated, Budget.kept_bytes, spec.autocast, spec.checkpointing)


def _methods(spec: Spec, objects: Objects) -> tuple[dict[Weights, list[str]], dict[str, str]]:
    """By model the methods that are named, or else the default methods that run on it."""
    found: dict[Weights, list[str]] = {}
    left_out: dict[str, str] = {}
    for model in weights_of(spec):
        refuse_unavailable(model)
        if not spec.methods:
            found[model], reasons = default_methods(objects.model(model))
            left_out |= {f"{name} on {model}": reason for name, reason in reasons.items()}
            continue
        found[model] = list(dict.fromkeys(_plain(name, objects) for name in spec.methods))
    return found, left_out


def _overrides(spec: Spec, objects: Objects, names: Sequence[str]) -> Overrides:
    """`pbft+lora.update.rank` is a setting of one method, `schedule.epochs` of all compared methods that have it."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    known = {name: settings(objects.method(name)) for name in names}
    for path, value in spec.set.items():
        first, _, setting = path.partition(".")
        if first in objects.methods or canonical(first) in METHODS:
            if not setting:
                raise UserError(f"--set {path}={value}: expected METHOD.SETTING=VALUE, such as pbft+lora.update.rank=4")
            plain = _plain(first, objects)
            if plain not in found:
                raise UserError(f"--set {path}={value}: {plain} is not compared; {', '.join(names)} are")
            found[plain][setting] = value
            continue
        having = [name for name in names if path in known[name]]
        if not having:
            there = dict.fromkeys([*METHODS, *(key for of_method in known.values() for key in of_method)])
            near = difflib.get_close_matches(path, there, n=1) or difflib.get_close_matches(first, there, n=1)
            hint = f"did you mean {near[0]}?" if near else "expected METHOD.SETTING=VALUE or SETTING=VALUE"
            raise UserError(f"--set {path}={value}: there is no such method or setting among those compared; {hint}")
        for name in having:
            found[name].setdefault(path, value)  # a setting of one method goes before that of all
    return found


def _plain(name: str, objects: Objects) -> str:
    objects.method(name)
    return objects.canonical(name)


def _seeds(spec: Spec) -> range:
    return range(spec.first_seed, spec.first_seed + spec.seeds)


def _total(spec: Spec, task: Task, shots: int) -> int:
    return shots * len(task.prompt.labels) if spec.shots_mean == "per-label" else shots


def _check_shots(spec: Spec, task: Task, total: int) -> None:
    check_distinct(task, total, _seeds(spec))
    if spec.tune and total < 2 * len(task.prompt.labels):
        raise UserError(
            f"--tune {spec.tune} holds some of the {total} shots of {task.name} out: "
            f"it takes at least {2 * len(task.prompt.labels)}"
        )


def data_digest(task: Task) -> str:
    """The digest of all sets of the task, 16 hexadecimal digits."""
    sets = {name: digest(split.load()) for name, split in task.splits.items()}
    return hashlib.sha256(json.dumps(sets, sort_keys=True).encode()).hexdigest()[:16]
