"""All that can answer questions about a context in one table, with scores, seconds and bytes as people read them."""

from collections.abc import Sequence
from statistics import mean

from inweights.learn_records import MINIMUM_QUESTIONS, LearnReport
from inweights.report.learn_scores import answers, context_again, figure, latency, learning_seconds, unknown_only
from inweights.wording import duration, size


def heads(report: LearnReport) -> list[str]:
    metric = report.sets[report.primary].metric if report.primary else "score"
    scored = ["system", metric, "unknown only", "context again"]
    return [*scored, "per query", "p95", "first token", "KV per request", "to learn", "adapter"]


def legend(report: LearnReport) -> str:
    """What the columns of scores mean."""
    if not report.primary:
        return ""
    questions = report.sets[report.primary]
    counted = f"{report.questions} questions" + (
        f", drawn from {questions.available}" if questions.available > report.questions else ""
    )
    right = "given answers" if questions.given else "the teacher's answers"
    interval = "with its 95 % interval" if report.questions >= MINIMUM_QUESTIONS else too_few(report.questions)
    unknown = len(unknown_only("alone", report))
    return (
        f"{counted}; {right} count as right. {questions.metric}: mean over greedy answers, {interval}. "
        f"unknown only: on the {unknown} that the model alone answers wrongly and the teacher rightly. "
        "context again: with the right piece of the context in the prompt as well."
    )


def too_few(questions: int) -> str:
    return f"too few questions for an interval: {questions}"


def cells(report: LearnReport) -> list[list[str]]:
    """A line for each system, under the heads."""
    lines = []
    for name, row in report.systems.items():
        scores = [figure(answers(name, report).scores), _mean(unknown_only(name, report)), _mean(context_again(row, report))]
        whole, first, learning = latency(row), row.first_token, learning_seconds(row)
        times = [duration(whole.median), duration(whole.p95), duration(first.median) if first else ""]
        learned = duration(learning) if learning else ""
        adapter = size(row.artifact_bytes) if row.artifact_bytes else ""
        lines.append([name, *scores, *times, size(row.kv_bytes), learned, adapter])
    return lines


def _mean(scores: Sequence[float]) -> str:
    return f"{mean(scores):.3f}" if scores else ""
