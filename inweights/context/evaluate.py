"""A learned context beside everything else that can answer about it: answers, costs, and what learning has damaged."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from inweights.context.chunks import Chunk
from inweights.context.evaluation_sets import drawn, evaluation_set, questions_by_set
from inweights.context.learn import LearningResult
from inweights.context.method_inputs import MethodInputs, inputs_for, whole_text
from inweights.context.methods import IN_PROMPT, TEACHER, systems_of
from inweights.context.qa_tokens import Question
from inweights.context.recovery import form_result
from inweights.context.settings import Settings
from inweights.context.systems import System, respond
from inweights.context.template import Template
from inweights.context.timing import kv_bytes_per_token, timed
from inweights.learn_records import TEST, EvaluationSet, LearnReport, system_of
from inweights.metrics import Metric
from inweights.models.base import Backbone
from inweights.types import Cost, Outcome, Record, Run, Weights

METER = "measured while learning"
Questions = Mapping[str, Sequence[Question]]
"""By evaluation set; the one that verdicts are about comes first."""
Answered = dict[tuple[object, ...], Outcome]
"""What a model has answered to some prompts."""


def evaluate(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    results: Mapping[str, LearningResult],
    settings: Settings,
    tests: Sequence[Question] = (),
    rivals: Sequence[str] = IN_PROMPT,
    peak_bytes: int = 0,
) -> LearnReport:
    """All that the report of a learned context says.

    `results`: by form. `tests`: questions with right answers. On the questions that were held out the teacher's
    answers count as right, where none were given. `peak_bytes`: the most memory that learning took.
    """
    held_out = next(iter(results.values())).held_out
    available = questions_by_set(model, template, chunks, held_out, tests)
    questions = {name: drawn(each, settings.seed) for name, each in available.items()}
    sets = {name: evaluation_set(each, template, len(available[name]), name == TEST) for name, each in questions.items()}
    primary = next(iter(questions), "")
    judged = questions.get(primary, ())
    inputs = inputs_for(model, template, chunks, settings, judged, results)
    systems = systems_of(inputs, rivals) if judged else []
    answered: Answered = {}
    records = {each.name: _record(each, inputs, sets, questions, peak_bytes, answered) for each in systems}
    forms = {form: form_result(inputs, each, judged, _three(records, form, primary)) for form, each in results.items()}
    return LearnReport(
        tokens=model.count_tokens([whole_text(chunks)])[0],
        pieces=len(chunks),
        kv_bytes_per_token=kv_bytes_per_token(model),
        sets=sets,
        systems=records,
        forms=forms,
        peak_bytes=peak_bytes,
    )


def _record(
    system: System,
    inputs: MethodInputs,
    sets: Mapping[str, EvaluationSet],
    questions: Questions,
    peak_bytes: int,
    answered: Answered,
) -> Record:
    primary, judged = next(iter(questions.items()))
    # Held-out questions beside given ones say how far learning has come, for which three systems are compared.
    wanted = [name for name in sets if name == primary or system.name in ("alone", TEACHER) or "distilled (" in system.name]
    model, template = inputs.model, inputs.template
    trained = bool(system.trained_parameters)
    again = [primary] if trained and " + " not in system.name else []
    times = timed(system, template, judged)
    kv_bytes = times.context_tokens * kv_bytes_per_token(model)

    def outcomes(of: System, names: Sequence[str]) -> dict[str, Outcome]:
        return {name: _responses(of, template, questions[name], sets[name].metric, answered) for name in names}

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


def _responses(
    system: System, template: Template, questions: Sequence[Question], metric: Metric, answered: Answered
) -> Outcome:
    """Systems with the same prompts for the same model, as where the text is one piece, answer alike: once is enough."""
    queries = [system.query(template, each) for each in questions]
    key = (id(system.model), metric, *((each.context, each.text, each.gold) for each in queries))
    if key not in answered:
        answered[key] = respond(system, template, questions, metric)
    return answered[key]


def _run(system: System, inputs: MethodInputs) -> Run:
    card = inputs.model.card
    sources = dict.fromkeys(chunk.source for chunk in inputs.chunks)
    task = ", ".join(Path(each).name for each in sources) or "context"
    weights = Weights(card.name, dtype=card.dtype)  # type: ignore[arg-type]
    return Run(weights, task, system.method, shots=0, seed=inputs.settings.seed)


def _three(records: Mapping[str, Record], form: str, primary: str) -> list[Outcome]:
    """The model alone, the teacher and the student; nothing where no question was asked."""
    return [records[name].outcomes[primary] for name in ("alone", TEACHER, system_of(form))] if records else []
