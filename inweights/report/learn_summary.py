"""What a learned context is worth, in sentences: what was recovered, what was damaged, when it pays, a verdict."""

import math

from inweights.learn_records import MINIMUM_QUESTIONS, FormResult, LearnReport, Recovered, system_of
from inweights.report.learn_scores import latency, learning_seconds, score, worth_unknown
from inweights.report.learn_table import too_few
from inweights.report.statistics import break_even
from inweights.types import Record
from inweights.wording import duration

LITTLE = 0.5
"""Share of the context's gain in right answers: below, no number of queries makes a stand-in for the text of it."""
RIVALS = {
    "icl": "the whole text in the prompt, read at every query",
    "icl-cached": "the whole text in a warm prefix cache",
    "icl-piece": "the right piece in the prompt",
    "rag": "the piece that BM25 finds",
}


def others(report: LearnReport) -> list[str]:
    """Who else took part, a line each."""
    parts = (("questions written", report.asker), ("answers with the context given", report.teacher))
    return [f"{what} by {name}" for what, name in parts if name]


def recovered(found: FormResult) -> dict[str, Recovered]:
    """The recovered shares of one form by name."""
    return {
        "R_KL (teacher-forced information)": found.information,
        "R_free (greedy answers)": found.free,
        "gold-answer log-probability": found.gold_log_prob,
    }


def undefined(share: Recovered) -> str:
    """Why a recovered share has no value; nothing where it has one."""
    if share.value is not None and math.isfinite(share.value):
        return ""
    if not share.questions:
        return "there was no question to measure it on"
    return f"the context makes no difference that {share.questions} question{'s' * (share.questions > 1)} can show"


def share(found: Recovered) -> str:
    if why := undefined(found):
        return f"undefined: {why}"
    if found.low is None or found.high is None:
        return f"{found.value:.3f} ({too_few(found.questions)})"
    return f"{found.value:.3f} (95 % {found.low:.3f} to {found.high:.3f}, {found.questions} questions)"


def shares(found: FormResult) -> dict[str, str]:
    return {name: share(each) for name, each in recovered(found).items()}


def alarm(found: FormResult) -> str:
    """Where the teacher-forced figure promises more than the answers keep; "" elsewhere."""
    if not found.parts:
        return ""
    apart = found.parting
    return (
        f"Alarm: its free answers recover {percent(apart.value or 0)} less than its teacher-forced distributions "
        f"(95 % {percent(apart.low or 0)} to {percent(apart.high or 0)}): it knows more than it says. "
        "Train on its own answers (--polish .1)."
    )


def damage(found: FormResult) -> str:
    lost = found.collateral
    known = lost.neutral_kl is not None and math.isfinite(lost.neutral_kl)
    base_kl = f"{lost.neutral_kl:.4f} nats per token of drift" if known else "undefined drift"
    read = "unknown" if lost.contexts_read is None else percent(lost.contexts_read, 1)
    return f"{base_kl} on neutral prompts; agreement with the bare model's answers about other contexts: {read}"


def paid_after(form: str, report: LearnReport) -> dict[str, int | None]:
    """Queries after which learning has paid, by rival; None: never. Empty where its answers have no known worth."""
    if worth_unknown(form, report):
        return {}
    rows = report.systems
    own = rows[system_of(form)]
    return {
        name: break_even(learning_seconds(own), latency(own).median, 0.0, latency(rows[name]).median)
        for name in RIVALS
        if name in rows
    }


def break_evens(form: str, report: LearnReport) -> list[str]:
    """A sentence for each rival."""
    if why := worth_unknown(form, report):
        return [f"No number of queries is given, because {why}."]
    rows = report.systems
    student, points = system_of(form), paid_after(form, report)
    lines = []
    for name, queries in points.items():
        scores = f"{score(student, report):.3f} against {score(name, report):.3f}"
        metric = report.sets[report.primary].metric
        lines.append(f"Against {RIVALS[name]} ({name}): {_pays(queries, rows[student], rows[name])}; {metric} {scores}.")
    missing = [name for name in ("icl", "icl-cached") if name not in points]
    if missing:
        lines.append(f"Not measured: {' and '.join(missing)}. Not requested, or the text does not fit the model's window.")
    return lines


def _pays(queries: int | None, own: Record, other: Record) -> str:
    mine, theirs = _times(own), _times(other)
    if queries is None:
        return f"never pays in time, because a query takes {mine} and there {theirs}"
    learning = duration(learning_seconds(own))
    return f"pays its time back after {queries:,} queries ({mine} a query against {theirs}; {learning} to learn)"


def _times(row: Record) -> str:
    return f"{duration(latency(row).median)} (p95 {duration(latency(row).p95)})"


def verdict(form: str, report: LearnReport) -> str:
    """One sentence of advice, or two where something answers as well without training."""
    free, own = report.forms[form].free, system_of(form)
    if not report.questions:
        return "Whether it pays cannot be told: no question was asked. Give some with right answers (--test)."
    if report.questions < MINIMUM_QUESTIONS:
        return f"Whether it pays cannot be told: {too_few(report.questions)}. Give {MINIMUM_QUESTIONS} or more (--test)."
    if why := undefined(free):
        return f"Whether it pays cannot be told: what is recovered of the right answers is undefined, for {why}."
    value, low, high = (percent(each or 0.0) for each in (free.value, free.low, free.high))
    kept = f"{value} (95 % interval {low} to {high}) of the right answers that the context adds"
    if (free.value or 0.0) < LITTLE:
        return f"Not yet a stand-in for the text, at any number of queries: it recovers {kept}. Ask more or train longer."
    points = paid_after(form, report)
    if not points:
        return f"Whether it pays cannot be told: {worth_unknown(form, report)}."
    cold = _advice(points, "icl" if "icl" in points else "icl-piece", report, own)
    advice = f"{cold}; {_advice(points, 'icl-cached', report, own)}. It recovers {kept}."
    if "rag" in report.systems and score("rag", report) >= score(own, report):
        advice += f" BM25 without training is right as often or more ({score('rag', report):.3f})."
    return advice[0].upper() + advice[1:]


def _advice(points: dict[str, int | None], name: str, report: LearnReport, own: str) -> str:
    if name not in points:
        return f"against {RIVALS[name]} it was not measured"
    queries = points[name]
    if queries is None:
        mine, theirs = (duration(latency(report.systems[each]).median) for each in (own, name))
        return f"never pays in time against {RIVALS[name]} ({mine} a query against {theirs})"
    return f"pays after {queries:,} queries against {RIVALS[name]}"


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
