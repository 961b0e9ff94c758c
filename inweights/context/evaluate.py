"""A learned context beside everything else that can answer about it: answers, costs, and what learning has damaged."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from inweights.context.chunks import Chunk
from inweights.context.evaluation_sets import drawn, evaluation_set, questions_by_set
from inweights.context.evaluation_time import affordable, in_time
from inweights.context.learn import LearningResult
from inweights.context.method_inputs import MethodInputs, inputs_for
from inweights.context.methods import IN_PROMPT, systems_of
from inweights.context.qa_tokens import Question
from inweights.context.recovery import form_result
from inweights.context.responses import Responses
from inweights.context.settings import Settings
from inweights.context.surroundings import whole_text
from inweights.context.systems import System
from inweights.context.template import Template
from inweights.context.timing import kv_bytes_per_token
from inweights.learn_records import TEACHER, TEST, EvaluationSet, LearnReport, system_of
from inweights.models.base import Backbone
from inweights.types import Cost, Outcome, Record, Run, Weights

METER = "measured while learning"
Questions = Mapping[str, Sequence[Question]]
"""By evaluation set; the one that verdicts are about comes first."""


def evaluate(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    results: Mapping[str, LearningResult],
    settings: Settings,
    tests: Sequence[Question] = (),
    rivals: Sequence[str] = IN_PROMPT,
    peak_bytes: int = 0,
    until: float = math.inf,
) -> LearnReport:
    """All that the report of a learned context says.

    `results`: by form. `tests`: questions with right answers. On the questions that were held out the teacher's
    answers count as right, where none were given. `peak_bytes`: the most memory that learning took.
    `until`: on time.monotonic(); as many questions are asked as are answered before it, and after it no more of what a
    report can be without: rivals, and what learning has damaged.
    """
    held_out = next(iter(results.values())).held_out
    available = questions_by_set(model, template, chunks, held_out, tests)
    maximum = affordable(model, template, chunks, available, until)
    questions = {name: drawn(each, settings.seed, maximum) for name, each in available.items()}
    sets = {name: evaluation_set(each, template, len(available[name]), name == TEST) for name, each in questions.items()}
    primary = next(iter(questions), "")
    judged = questions.get(primary, ())
    inputs = inputs_for(model, template, chunks, settings, judged, results)
    record = partial(_record, inputs=inputs, sets=sets, questions=questions, peak_bytes=peak_bytes, responses=Responses())
    records = {each.name: record(each) for each in systems_of(inputs, ())} if judged else {}
    forms = {
        form: form_result(inputs, each, judged, _three(records, form, primary), until) for form, each in results.items()
    }
    ordered: dict[str, Record] = {}
    for each in systems_of(inputs, rivals if in_time(until) else ()) if judged else ():
        if each.name in records or in_time(until):
            ordered[each.name] = records.get(each.name) or record(each)
    return LearnReport(
        tokens=model.count_tokens([whole_text(chunks)])[0],
        pieces=len(chunks),
        kv_bytes_per_token=kv_bytes_per_token(model),
        sets=sets,
        systems=ordered,
        forms=forms,
        peak_bytes=peak_bytes,
    )


def _record(
    system: System,
    inputs: MethodInputs,
    sets: Mapping[str, EvaluationSet],
    questions: Questions,
    peak_bytes: int,
    responses: Responses,
) -> Record:
    primary, judged = next(iter(questions.items()))
    # Held-out questions beside given ones say how far learning has come, for which three systems are compared.
    wanted = [name for name in sets if name == primary or system.name in ("alone", TEACHER) or "distilled (" in system.name]
    model, template = inputs.model, inputs.template
    trained = bool(system.trained_parameters)
    again = [primary] if trained and " + " not in system.name else []
    times = responses.timed(system, template, judged)
    kv_bytes = times.context_tokens * kv_bytes_per_token(model)

    def outcomes(of: System, names: Sequence[str]) -> dict[str, Outcome]:
        return {name: responses.of(of, template, questions[name], sets[name].metric) for name in names}

    return Record(
        run=_run(system, inputs),
        status="ok",
        outcomes=outcomes(system, wanted),
        with_context=outcomes(system.with_context(inputs.chunks), again),
        adapt=Cost(system.adapt_seconds, 0, peak_bytes if trained else 0, 0, METER),
        # Queries are timed one at a time: many of them take as many times as long.
        predict=Cost(times.seconds.median * len(judged), times.context_tokens, kv_bytes, 0, METER),
        queries=len(judged),
        latency=times.seconds,
        first_token=times.first_token,
        kv_bytes=kv_bytes,
        trained_parameters=system.trained_parameters,
        artifact_bytes=system.artifact_bytes,
        notes={"metric": sets[primary].metric, "free_form": True},
    )


def _run(system: System, inputs: MethodInputs) -> Run:
    card = inputs.model.card
    sources = dict.fromkeys(chunk.source for chunk in inputs.chunks)
    task = ", ".join(Path(each).name for each in sources) or "context"
    weights = Weights(card.name, dtype=card.dtype)  # type: ignore[arg-type]
    return Run(weights, task, system.method, shots=0, seed=inputs.settings.seed)


def _three(records: Mapping[str, Record], form: str, primary: str) -> list[Outcome]:
    """The model alone, the teacher and the student; nothing where no question was asked."""
    return [records[name].outcomes[primary] for name in ("alone", TEACHER, system_of(form))] if records else []
