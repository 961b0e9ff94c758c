"""The fitted method behind a record, fitted again, and shown to be the one that was measured."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from inweights.exports.card import About
from inweights.methods import METHODS, Fitted, canonical, method
from inweights.study.chat import SUFFIX, in_chat
from inweights.study.do import fit
from inweights.study.grid import data_digest, tasks_of
from inweights.study.loading import backbone
from inweights.study.outcomes import limited, outcome
from inweights.study.planned import PlannedRun
from inweights.study.spec import Spec, read_spec
from inweights.tasks import task as task_named
from inweights.types import Example, Record, Run, Task, UserError

CHECKED = 4
"""Examples of every evaluation set whose answers must be those of the record; the export is verified on them too."""
SEARCHED = 50
"""Examples of a set among which those are looked for."""


class OtherResultError(RuntimeError):
    """Fitting again gave something else than what was measured; the command line exits with 1."""


def refit(study: Path, record: Record) -> tuple[Fitted, list[Example], Mapping[str, object]]:
    """The method fitted as in `record`, examples of the evaluation sets, and its settings with what tuning chose.

    Raises OtherResultError where the draw, the losses or the answers are not those of the record.
    """
    spec = read_spec(study)
    setting = _setting(spec, record.run)
    model = backbone(record.run.weights, spec.device)
    _same(record, "model digest", model.card.digest)
    _same(record, "data digest", data_digest(setting.task))
    fitted, shots, chosen = fit(setting, model)
    if shots.indices != record.indices:
        raise OtherResultError(f"the draw of {_named(record.run)} is another now: the training file has changed")
    _same_losses(fitted, record)
    return fitted, _same_answers(setting, fitted, record), {**record.settings, **chosen}


def about(record: Record, seeds: Sequence[Record], settings: Mapping[str, object]) -> About:
    """What the model card tells of where an export comes from."""
    return About(record.run.method, settings, record, tuple(seeds))


def _setting(spec: Spec, run: Run) -> PlannedRun:
    if canonical(run.method) not in METHODS:
        raise UserError(
            f"{run.method} is a method of your own: export it from Python with "
            "inweights.export(study.fit(...), folder, checks)"
        )
    task = _task(spec, run.task)
    prompt = task.prompt_named(run.prompt.removesuffix(SUFFIX) or None)
    if run.prompt.endswith(SUFFIX):
        prompt = in_chat(prompt, run.model, "on", own_pattern=True)
    return PlannedRun(run, task, prompt, method(run.method, run.settings))


def _task(spec: Spec, name: str) -> Task:
    """A study can have grown since: the task need not be one of those it was last asked for."""
    for task in tasks_of(spec)[0]:
        if task.name == name:
            return task
    return task_named(name, Path(spec.data) if spec.data else None)


def _same(record: Record, what: str, now: str) -> None:
    then = record.environment.get(what, now)
    if then != now:
        raise OtherResultError(f"{_named(record.run)} was measured with the {what} {then}, which is {now} now")


def _same_losses(fitted: Fitted, record: Record) -> None:
    for step, (now, then) in enumerate(zip(fitted.losses, record.losses, strict=False), start=1):
        # Records keep six decimals; another thread count, machine or number of runs in a pass moves the last of them,
        # and in half precision more.
        near = 1e-3 if record.environment.get("dtype", "fp32") == "fp32" and not record.run.budget.autocast else 5e-2
        if not math.isclose(now, then, rel_tol=near, abs_tol=near / 10):
            raise OtherResultError(
                f"{_named(record.run)} learns otherwise now: the loss at step {step} is {now:.6f}, it was {then:.6f}"
            )


def _same_answers(setting: PlannedRun, fitted: Fitted, record: Record) -> list[Example]:
    checked: list[Example] = []
    for name, split in setting.task.evaluation.items():
        examples = limited(split.load(), setting.run.limit, f"{setting.task.name} {name}")
        # Those that plain libraries can be given too: whole, and with every demonstration.
        whole = [i for i, each in enumerate(examples[:SEARCHED]) if not fitted.readout.fallbacks([each])][:CHECKED]
        now = outcome(split, fitted, [examples[i] for i in whole]).answers if whole else ()
        then = tuple(record.outcomes[name].answers[i] for i in whole)
        if now != then:
            raise OtherResultError(f"{_named(record.run)} answers {name} otherwise now: {now}, it was {then}")
        checked += [examples[i] for i in whole]
    return checked


def _named(run: Run) -> str:
    return f"{run.method} ({run.shots} shots, seed {run.seed})"
