"""Scores of the systems that can answer about a context: means with intervals, by kind and by place, sample answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev

from inweights.learn_records import MINIMUM_QUESTIONS, TEACHER, LearnReport, system_of
from inweights.report.statistics import Interval, over_seeds
from inweights.types import Latency, Outcome, Record

RIGHT = 0.5
"""A score from which an answer counts as right; of metrics that are 0 or 1, the answers that score 1."""
PLACES = 5
"""Parts of the document that scores are reported by."""


@dataclass(frozen=True)
class Sample:
    """One question as three systems answered it."""

    question: str
    gold: str
    teacher: str
    student: str
    alone: str
    score: float
    """The student's."""


def answers(name: str, report: LearnReport) -> Outcome:
    """On the evaluation set that verdicts are about."""
    return report.systems[name].outcomes[report.primary]


def score(name: str, report: LearnReport) -> float:
    return mean(answers(name, report).scores)


def interval(scores: Sequence[float]) -> Interval | None:
    """95 %: Wilson's where scores are 0 and 1, the normal approximation elsewhere; None for too few questions."""
    if len(scores) < MINIMUM_QUESTIONS:
        return None
    if set(scores) <= {0.0, 1.0}:
        return over_seeds([mean(scores)], len(scores))
    half = 1.959964 * stdev(scores) / len(scores) ** 0.5
    return Interval(mean(scores), max(0.0, mean(scores) - half), min(1.0, mean(scores) + half))


def figure(scores: Sequence[float]) -> str:
    """The mean with its interval; alone where there are too few questions for one."""
    if not scores:
        return ""
    found = interval(scores)
    return f"{mean(scores):.3f} [{found.low:.3f}, {found.high:.3f}]" if found else f"{mean(scores):.3f}"


def unknown_only(name: str, report: LearnReport) -> list[float]:
    """Scores on the questions that the model alone answers wrongly and the teacher rightly."""
    alone, teacher = answers("alone", report).scores, answers(TEACHER, report).scores
    scores = answers(name, report).scores
    return [s for s, a, t in zip(scores, alone, teacher, strict=True) if a < RIGHT <= t]


def context_again(row: Record, report: LearnReport) -> tuple[float, ...]:
    """Scores with the right piece of the context in the prompt again; empty where nothing was trained."""
    return row.with_context[report.primary].scores if row.with_context else ()


def latency(row: Record) -> Latency:
    """Of a query; every system of a learned context has been timed."""
    assert row.latency
    return row.latency


def learning_seconds(row: Record) -> float:
    return row.adapt.seconds if row.adapt else 0.0


def by_kind(name: str, report: LearnReport) -> dict[str, float]:
    kinds, scores = report.sets[report.primary].kinds, answers(name, report).scores
    return {
        kind: mean(s for s, each in zip(scores, kinds, strict=True) if each == kind)
        for kind in dict.fromkeys(each for each in kinds if each)
    }


def by_place(name: str, report: LearnReport) -> list[float | None]:
    """By fifths of the document; None where no question is about one."""
    parts: list[list[float]] = [[] for _ in range(PLACES)]
    for place, each in zip(report.sets[report.primary].places, answers(name, report).scores, strict=True):
        parts[min(PLACES - 1, int(place * PLACES))].append(each)
    return [mean(each) if each else None for each in parts]


def worth_unknown(form: str, report: LearnReport) -> str:
    """Why the answers of a form have no known worth, so that no number of queries pays for it; "" where they have."""
    if not report.questions:
        return "no question was asked"
    if report.questions < MINIMUM_QUESTIONS:
        return f"there are too few questions for an interval: {report.questions}"
    pairs = zip(answers(system_of(form), report).scores, answers("alone", report).scores, strict=True)
    gains = [student - alone for student, alone in pairs]
    if mean(gains) <= 1.959964 * stdev(gains) / len(gains) ** 0.5:
        return f"its answers are no better than the model's alone, within noise ({score('alone', report):.3f})"
    return ""


def samples(form: str, report: LearnReport, count: int | None = None) -> list[Sample]:
    """Of the primary evaluation set, evenly spaced over it; all of them where no count is given."""
    if not report.questions:
        return []
    questions = report.sets[report.primary]
    sides: Mapping[str, Outcome] = {name: answers(name, report) for name in (TEACHER, system_of(form), "alone")}
    texts = [each.answers for each in sides.values()]
    scores = sides[system_of(form)].scores
    found = [Sample(*each) for each in zip(questions.questions, sides[TEACHER].gold, *texts, scores, strict=True)]
    kept = len(found) if count is None else min(count, len(found))
    return [found[number * len(found) // kept] for number in range(kept)]
