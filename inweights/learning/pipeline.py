"""Learn every form of a context, measure it beside its baselines, export and verify it; keep the records as a study."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from inweights.context.evaluate import evaluate
from inweights.context.learn import LearningResult, learn
from inweights.exports.peft_check import refuse_unloadable
from inweights.exports.staging import refuse_occupied, staged
from inweights.exports.verify import verify
from inweights.learn_records import LearnReport
from inweights.learning.inputs import LearnInputs, check_lengths
from inweights.learning.request import FORMS, LearnRequest, WarmStart, remedy, training_settings
from inweights.learning.work import work_of, write_questions, write_records
from inweights.learning.write import Results, write_context
from inweights.meter import measure
from inweights.updates import LoRA

Say = Callable[[str], None]
LEARNING = 0.7
"""Share of a time budget after which nothing more is learned: what is left is for measuring."""


def learn_into(
    folder: Path, inputs: LearnInputs, request: LearnRequest, say: Say, warm: WarmStart | None = None
) -> LearnReport:
    """Learn, measure and write `folder`; what the card says was measured. A run that was killed goes on where it was.

    `warm`: what an earlier version of the context has left. Raises UserError where `folder` is taken or PEFT has no place
    for the form, RejectedError where the export gives other log-probabilities in a fresh process, by PEFT alone too.
    """
    refuse_occupied(folder)
    started = time.monotonic()
    for form in FORMS[request.form]:
        refuse_unloadable(inputs.model, form, LoRA(request.settings.rank, request.settings.alpha))
    check_lengths(inputs, [*request.queries, *request.tests])
    work = work_of(folder)
    results, peak_bytes = _learned(work, inputs, request, say, warm, started + LEARNING * request.seconds)
    write_questions(work, inputs.chunks, results.values())
    say("evaluating every system")
    report = _measured(inputs, request, results, peak_bytes, warm, started + request.seconds)
    asker, teacher = (each.name if each else "" for each in (inputs.asker, inputs.teacher))
    report = replace(report, asker=asker, teacher=teacher)
    with staged(folder) as filling:
        report = write_context(filling, inputs, request, results, report)
        say(str(verify(filling)))
    write_records(work, report, inputs.context.sources)
    return report


def _learned(
    work: Path, inputs: LearnInputs, request: LearnRequest, say: Say, warm: WarmStart | None, end: float
) -> tuple[Results, int]:
    """By form, and the most memory that one took. Forms that are still to be learned share the time until `end`."""
    forms = FORMS[request.form]
    results: dict[str, LearningResult] = {}
    peak_bytes = 0
    for number, form in enumerate(forms):
        seconds = (end - time.monotonic()) / (len(forms) - number)
        learning = partial(_learn_form, form, work, inputs, request, seconds, say, warm)
        results[form], cost = measure(learning, inputs.model.counter)
        peak_bytes = max(peak_bytes, cost.peak_bytes)
    return results, peak_bytes


def _learn_form(
    form: str, work: Path, inputs: LearnInputs, request: LearnRequest, seconds: float, say: Say, warm: WarmStart | None
) -> LearningResult:
    settings = training_settings(request, form, inputs.model.hidden_size, warm)
    every_piece = range(len(inputs.chunks)) if request.own and request.queries else None
    return learn(
        inputs.model,
        inputs.template,
        inputs.chunks,
        settings,
        work,
        queries=request.queries,
        seconds=seconds,
        about=warm.about if warm else every_piece,
        warm=warm.learned[settings.form] if warm else None,
        say=say,
        remedy=remedy(request, warm),
        asker=inputs.asker,
        teacher=inputs.teacher,
    )


def _measured(
    inputs: LearnInputs, request: LearnRequest, results: Results, peak_bytes: int, warm: WarmStart | None, until: float
) -> LearnReport:
    started = time.monotonic()
    measuring = (inputs.model, inputs.template, inputs.chunks, results, request.settings)
    report = evaluate(*measuring, request.tests, request.rivals, peak_bytes, until)
    seconds = time.monotonic() - started
    if warm:
        unlearned = {form: warm.unlearned(form, each.learned) for form, each in results.items()}
        forms = {form: replace(each, unlearned=unlearned[form]) for form, each in report.forms.items()}
        report = replace(report, forms=forms)
    return replace(report, evaluation_seconds=seconds, skipped=inputs.context.skipped)
