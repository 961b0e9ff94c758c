"""Learning a context as a study: every baseline and every form as a record of the type that `compare` writes."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from statistics import mean
from typing import Any

from inweights.learn_records import LearnReport, SystemResult, system_of
from inweights.report.learn_summary import paid_after
from inweights.study.store import Store
from inweights.types import Cost, Outcome, Record, Run, Weights

METER = "measured while learning"


def write_records(work: Path, report: LearnReport, weights: Weights, sources: Mapping[str, str], seed: int) -> None:
    """Under `work`/records, so that `inweights report` shows them; nothing where no question was asked."""
    store = Store(work)
    task = ", ".join(Path(each).name for each in sources) or "context"
    if report.primary:
        store.prepare({"learned": task, "model": [str(weights)], "sources": dict(sources)})
        for record in records_of(report, weights, task, seed):
            store.write(record)


def records_of(report: LearnReport, weights: Weights, task: str, seed: int) -> list[Record]:
    """One for each system, on the evaluation set that verdicts are about: rows are compared on the same questions."""
    forms = {system_of(form): form for form in report.forms}
    records = []
    for name, row in report.systems.items():
        more = _of_form(forms[name], report) if name in forms else {}
        records.append(_record(row, report, Run(weights, task, row.method, shots=0, seed=seed), more))
    return records


def _record(row: SystemResult, report: LearnReport, run: Run, more: Mapping[str, object]) -> Record:
    questions, answers = report.sets[report.primary], row.outcomes[report.primary]
    outcome = Outcome(
        domain="in-domain",
        scores=answers.scores,
        answers=answers.answers,
        gold=questions.gold,
        subsets=questions.kinds if all(questions.kinds) else (),
        log_loss=-mean(answers.gold_log_probs),
    )
    asked = report.questions
    again = row.with_context.get(report.primary)
    notes: dict[str, Any] = {
        "metric": questions.metric,
        "system": row.name,
        "seconds_p95": row.seconds.p95,
        "first_token": asdict(row.first_token),
        "kv_bytes": row.kv_bytes,
        **({"with_context": mean(again.scores)} if again else {}),
        **more,
    }
    # Queries are timed one at a time, so many questions take as many times as long.
    predict = Cost(row.seconds.median * asked, row.context_tokens, row.kv_bytes, 0, METER)
    return Record(
        run=run,
        status="ok",
        outcomes={report.primary: outcome},
        adapt=Cost(row.adapt_seconds, 0, report.peak_bytes if row.trained_parameters else 0, 0, METER),
        predict=predict,
        queries=asked,
        trained_parameters=row.trained_parameters,
        artifact_bytes=row.artifact_bytes,
        notes=notes,
    )


def _of_form(form: str, report: LearnReport) -> dict[str, object]:
    """What only a learned context has, beside what every method has."""
    found = report.forms[form]
    return {
        "form": form,
        "information_recovered": asdict(found.information),
        "metric_recovered": asdict(found.free),
        "collateral": asdict(found.collateral),
        "break_even": paid_after(form, report),
        "seconds_by_phase": dict(found.seconds),
    }
