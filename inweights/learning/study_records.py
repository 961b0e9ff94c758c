"""Learning a context as a study: every baseline and every form as a record of the type that `compare` writes."""

from collections.abc import Mapping
from pathlib import Path
from statistics import mean

from inweights.learn_records import LearnReport, SystemResult
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
    return [_record(row, report, Run(weights, task, row.method, shots=0, seed=seed)) for row in report.systems.values()]


def _record(row: SystemResult, report: LearnReport, run: Run) -> Record:
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
        notes={"metric": questions.metric, "free_form": True},
    )
