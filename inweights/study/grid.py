"""From a spec to its runs, each resolved and checked, before the first one starts."""

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path

from inweights.methods import METHODS, method
from inweights.study.draw import check_distinct
from inweights.study.execute import Setting
from inweights.study.spec import DEMO_TASKS, Spec
from inweights.tasks import task as task_named
from inweights.tasks.files import from_files
from inweights.types import Budget, Prompt, Run, Task, UserError

TUNED = ("icl+contextual", "icl+batch", "icl+ensemble", "adaptive+head")
"""Variants that are named but not part of the default comparison on a causal model."""


def tasks_of(spec: Spec) -> tuple[list[Task], tuple[str, ...]]:
    """The tasks, and what was detected of the user's files, as lines to print."""
    data = Path(spec.data) if spec.data else None
    if spec.train is None:
        if spec.test or spec.ood:
            raise UserError("--test and --ood need --train FILE with the examples to learn from")
        tasks = [task_named(name, data) for name in spec.task or DEMO_TASKS]
        return tasks, tuple(note for each in tasks for note in each.notes)
    if spec.task:
        raise UserError(f"give either --train or --task {' '.join(spec.task)}, not both")
    own = from_files(
        Path(spec.train),
        Path(spec.test) if spec.test else None,
        {name: Path(path) for name, path in spec.ood.items()},
        Path(spec.unlabelled) if spec.unlabelled else None,
        spec.pattern,
        spec.labels,
        spec.verbalizer,
        spec.columns,
        spec.answer_prefix,
    )
    return [own.task], own.detected


def settings_of(spec: Spec, tasks: Sequence[Task], families: Mapping[str, str]) -> list[Setting]:
    """Every run of the grid, cheapest kind of mistake first. `families`: model name -> its family."""
    seeds = range(spec.first_seed, spec.first_seed + spec.seeds)
    overrides = _overrides(spec)
    found = []
    for model, task in product(spec.model, tasks):
        prompt = _prompt(spec, task)
        names = spec.methods or [n for n, m in METHODS.items() if families[model] in m.families and n not in TUNED]
        if not spec.methods and families[model] == "encoder":
            names = [name for name, each in METHODS.items() if families[model] in each.families]
        for name, shots in product(names, spec.shots):
            fitted_by = method(name, overrides.get(name.removesuffix("+full"), {}))
            if families[model] not in fitted_by.families:
                raise UserError(
                    f"{name} does not run on {model}, which is of the family {families[model]}: "
                    f"it runs on {', '.join(fitted_by.families)}"
                )
            total = shots * len(task.prompt.labels) if spec.shots_mean == "per-label" else shots
            check_distinct(task, total, seeds)
            for seed in seeds:
                run = Run(
                    model, task.name, name.removesuffix("+full"), total, seed, prompt.name,
                    overrides.get(name.removesuffix("+full"), {}), Budget(spec.steps, spec.batch_tokens),
                    spec.limit, spec.tune,
                )  # fmt: skip
                found.append(Setting(run, task, prompt, fitted_by))
    # All methods of the first seed come first: a study that is stopped early is still a comparison.
    return sorted(found, key=lambda s: (spec.model.index(s.run.model), s.run.seed))


def _overrides(spec: Spec) -> dict[str, dict[str, str]]:
    """`pbft+lora.update.rank` -> {"pbft+lora": {"update.rank": ...}}; the longest method name that fits is meant."""
    found: dict[str, dict[str, str]] = {}
    for path, value in spec.set.items():
        name, _, setting = path.partition(".")
        if not setting:
            raise UserError(f"--set {path}={value}: METHOD.SETTING=VALUE is wanted, such as pbft+lora.update.rank=4")
        method(name)
        found.setdefault(name.removesuffix("+full"), {})[setting] = str(value)
    return found


def _prompt(spec: Spec, task: Task) -> Prompt:
    prompt = task.prompt_named(spec.pattern_name)
    first = task.splits["train"].load()[0]
    prompt.body(first)  # a field that the examples lack is found now
    return prompt
