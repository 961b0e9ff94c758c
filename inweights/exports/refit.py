"""The fitted method behind a record, fitted again, and shown to be the one that was measured."""

import math
from collections.abc import Mapping
from pathlib import Path

from inweights.exports.card import About
from inweights.exports.export import export
from inweights.exports.verify import Verification
from inweights.methods import METHODS, Fitted, canonical, method
from inweights.report import Choice
from inweights.study.chat import SUFFIX, in_chat
from inweights.study.do import fit
from inweights.study.grid import data_digest, tasks_of
from inweights.study.loading import backbone
from inweights.study.outcomes import limited, outcome
from inweights.study.patterns import with_texts
from inweights.study.planned import PlannedRun
from inweights.study.spec import Spec, read_spec
from inweights.tasks import task as task_named
from inweights.tasks import task_names
from inweights.types import Example, Prompt, Record, Run, Task, UserError

CHECKED = 4
"""Examples of every evaluation set whose answers must be those of the record; the export is verified on them too."""
SEARCHED = 50
"""Examples of a set among which those are looked for."""


class OtherResultError(RuntimeError):
    """Fitting again gave something else than what was measured; the command line exits with 1."""


def export_choice(choice: Choice, planned: PlannedRun, device: str | None, folder: Path) -> Verification:
    """The chosen run fitted again and exported, with what was measured of it in the model card."""
    record = choice.record
    fitted, checks, settings = refit(planned, record, device)
    return export(fitted, folder, checks, About(record.run.method, settings, record, choice.row.records))


def refit(
    planned: PlannedRun, record: Record, device: str | None = None
) -> tuple[Fitted, list[Example], Mapping[str, object]]:
    """The method fitted as in `record`, examples of the evaluation sets, and its settings with what tuning chose.

    Raises OtherResultError where the draw, the losses or the answers are not those of the record.
    """
    model = backbone(record.run.weights, device)
    _same(record, "model digest", model.card.digest)
    _same(record, "data digest", data_digest(planned.task))
    fitted, shots, chosen = fit(planned, model)
    if shots.indices != record.indices:
        raise OtherResultError(f"the draw of {_named(record.run)} is another now: the training file has changed")
    _same_losses(fitted, record)
    return fitted, _same_answers(planned, fitted, record), {**record.settings, **chosen}


def planned_again(study: Path, run: Run) -> tuple[PlannedRun, str | None]:
    """A run of the study in a folder, and the device it is for. Raises UserError where it was made of Python objects."""
    spec = read_spec(study)
    if canonical(run.method) not in METHODS:
        raise _of_objects(f"{run.method} is a method of your own")
    task = _task(spec, run.task)
    first, *others = [_prompt(name, task, run.model) for name in run.prompt.split(",")]
    return PlannedRun(run, task, first, method(run.method, run.settings), others=tuple(others)), spec.device


def _prompt(name: str, task: Task, model: str) -> Prompt:
    plain = task.prompt_named(name.removesuffix(SUFFIX) or None)
    return in_chat(plain, model, "on", own_pattern=True) if name.endswith(SUFFIX) else plain


def _of_objects(what: str) -> UserError:
    return UserError(f"{what}: export it from Python with inweights.export(study, folder)")


def _task(spec: Spec, name: str) -> Task:
    """A study can have grown since: the task need not be one of those it was last asked for."""
    known = task_names()
    for task in tasks_of(spec)[0] if all(each in known for each in spec.task) else ():
        if task.name == name:
            return task
    if name not in known:
        raise _of_objects(f"the task {name!r} was a Task object, or files that the study no longer names")
    return with_texts(spec, task_named(name, Path(spec.data) if spec.data else None))


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
