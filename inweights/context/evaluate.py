"""A learned context beside everything else that can answer about it: answers, costs, and what learning has damaged."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from inweights.context.baselines import System, kv_bytes_per_token, of_learned, respond, text_systems, timed, whole_text
from inweights.context.chunks import Chunk
from inweights.context.evaluation_sets import drawn, evaluation_set, questions_by_set
from inweights.context.learn import LearningResult
from inweights.context.qa_tokens import Question
from inweights.context.recovery import form_result, seconds_of
from inweights.context.settings import Settings
from inweights.context.template import Template
from inweights.context.trained_baselines import next_token, sft
from inweights.learn_records import TEST, Answers, EvaluationSet, LearnReport, SystemResult, system_of
from inweights.models.base import Backbone

RIVALS = ("icl", "icl-cached", "rag", "sft", "next-token", "distilled+rag")
TEACHER = "icl-piece"
"""The system whose prompt holds the piece of the context that a question is about."""
Questions = Mapping[str, Sequence[Question]]
"""By evaluation set."""


def evaluate(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    outcomes: Mapping[str, LearningResult],
    settings: Settings,
    tests: Sequence[Question] = (),
    rivals: Sequence[str] = ("icl", "icl-cached", "rag"),
) -> LearnReport:
    """All that the report of a learned context says.

    `outcomes`: by form. `tests`: questions with right answers. On the questions that were held out the teacher's
    answers count as right, where none were given.
    """
    first = next(iter(outcomes.values()))
    available = questions_by_set(model, template, chunks, first.held_out, tests)
    questions = {name: drawn(each, settings.seed) for name, each in available.items()}
    sets = {name: evaluation_set(each, template, len(available[name]), name == TEST) for name, each in questions.items()}
    primary = next(iter(questions), "")
    systems = _systems(model, template, chunks, outcomes, settings, rivals, questions.get(primary, ()))
    results = {each.name: _result(each, model, template, chunks, sets, questions, primary) for each in systems if questions}
    forms = {
        form: form_result(
            model, template, chunks, outcome, settings, questions.get(primary, ()), _three(results, form, primary)
        )
        for form, outcome in outcomes.items()
    }
    seconds = {form: seconds_of(outcome, outcomes.values()) for form, outcome in outcomes.items()}
    return LearnReport(
        tokens=len(model.encode([whole_text(chunks)])[0]),
        pieces=len(chunks),
        kv_bytes_per_token=kv_bytes_per_token(model),
        sets=sets,
        systems=results,
        forms={form: replace(each, seconds=seconds[form]) for form, each in forms.items()},
    )


def _systems(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    outcomes: Mapping[str, LearningResult],
    settings: Settings,
    rivals: Sequence[str],
    questions: Sequence[Question],
) -> list[System]:
    texts = text_systems(model, template, chunks, questions)
    rag = texts[-1]
    systems = [each for each in texts if each.name in ("alone", TEACHER) or each.name in rivals]
    for form, outcome in outcomes.items():
        spent = sum(seconds_of(outcome, outcomes.values()).values())
        method = "distill+prefix" if form == "kv" else "distill+lora"
        learned = of_learned(system_of(form), outcome.learned, spent, method=method)
        systems.append(learned)
        if "distilled+rag" in rivals:
            systems.append(replace(learned, name=f"{learned.name} + rag", context=rag.context, method=f"{method}, rag"))
    return [*systems, *_trained(model, chunks, next(iter(outcomes.values())), settings, rivals)]


def _trained(
    model: Backbone, chunks: Sequence[Chunk], outcome: LearningResult, settings: Settings, rivals: Sequence[str]
) -> list[System]:
    lora = replace(settings, form="lora")
    budget = max(10.0, outcome.seconds.get("training", 60.0))
    found = []
    if "sft" in rivals:
        started = time.monotonic()
        learned = sft(model, chunks, outcome.answers, lora, budget)
        found.append(of_learned("sft", learned, time.monotonic() - started, method="sft+lora"))
    if "next-token" in rivals:
        started = time.monotonic()
        epochs = settings.epochs_of(len(outcome.answers.lessons))
        reads = epochs * sum(len(each.alone.completion_ids) for each in outcome.answers.lessons)
        learned = next_token(model, chunks, lora, reads, budget)
        found.append(of_learned("next-token", learned, time.monotonic() - started, method="next-token+lora"))
    return found


def _result(
    system: System,
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    sets: Mapping[str, EvaluationSet],
    questions: Questions,
    primary: str,
) -> SystemResult:
    # What the held-out questions tell beside given ones is how far learning has come: two systems are compared for it.
    wanted = [name for name in sets if name == primary or system.name in ("alone", TEACHER) or "distilled (" in system.name]
    trained = bool(system.trained_parameters) and " + rag" not in system.name
    again = system.with_context(chunks)
    times = timed(system, template, questions[primary])
    return SystemResult(
        name=system.name,
        method=system.method or system.name,
        outcomes={name: _answers(system, template, sets[name], questions[name]) for name in wanted},
        with_context={primary: _answers(again, template, sets[primary], questions[primary])} if trained else {},
        seconds=times.seconds,
        first_token=times.first_token,
        context_tokens=times.context_tokens,
        kv_bytes=times.context_tokens * kv_bytes_per_token(model),
        adapt_seconds=system.adapt_seconds,
        artifact_bytes=system.artifact_bytes,
        trained_parameters=system.trained_parameters,
    )


def _answers(system: System, template: Template, of: EvaluationSet, questions: Sequence[Question]) -> Answers:
    found = respond(system, template, questions)
    scores = found.scores(questions, of.metric)  # type: ignore[arg-type]
    return Answers(found.texts, tuple(scores), found.gold_log_probs)


def _three(results: Mapping[str, SystemResult], form: str, primary: str) -> tuple[Answers, ...]:
    """The model alone, the teacher and the student; nothing where no question was asked."""
    return tuple(results[name].outcomes[primary] for name in ("alone", TEACHER, system_of(form))) if results else ()
