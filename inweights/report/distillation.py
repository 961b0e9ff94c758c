"""What a student had to learn from its teacher, whether that is beyond noise, and how much of it the student learned."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import mean
from typing import Any

from inweights.report.comparison import in_domain, p_value, scores_by_seed
from inweights.report.row import Row
from inweights.report.statistics import Interval, share_of_gap
from inweights.types import Record

ONE_ANSWER = 0.95
"""Share of the unlabelled inputs with one label from which the teacher is said to answer everything alike."""


@dataclass(frozen=True)
class Distilled:
    """Of one row."""

    measured: str
    """Where: `in domain`, with in-context learning as the teacher, or `on the shots`, each asked after all others."""
    teacher: float
    zero_shot: float
    noise: str
    """What the gap is judged against, in words."""
    beyond_noise: bool
    share: Interval | None = None
    """Of the gap, that the student has learned in domain; None where the gap is not beyond noise or was not measured."""
    one_answer: str = ""
    """What the teacher answers to nearly every unlabelled input; "" where answers differ."""

    @property
    def gap(self) -> float:
        return self.teacher - self.zero_shot

    @property
    def verdict(self) -> str:
        return "something to distil" if self.beyond_noise else "nothing to distil beyond noise"

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "gap": self.gap, "verdict": self.verdict}


def distilled(row: Row, rows: Sequence[Row]) -> Distilled | None:
    """None of a row that is not distilled. In domain where in-context learning and zero-shot stand beside it."""
    notes = [record.notes for record in row.records if "pool_from" in record.notes]
    if not notes or row.oracle:
        return None
    answers = [str(each["teacher_commonest_on_pool"]) for each in notes if _share(each) >= ONE_ANSWER]
    one_answer = answers[0] if len(answers) == len(notes) else ""
    teacher, zero = (_beside(row, rows, name) for name in ("icl", "zero-shot"))
    if teacher and zero:
        p = p_value(teacher, zero, "in-domain")
        beyond = in_domain(teacher) > in_domain(zero) and p is not None and p < 0.05
        own, of_teacher, bare = scores_by_seed([row, teacher, zero], "in-domain")
        share = share_of_gap(own, of_teacher, bare) if beyond else None
        noise = "not tested" if p is None else f"p {p:.3f}" if p >= 0.001 else "p < 0.001"
        return Distilled("in domain", in_domain(teacher), in_domain(zero), noise, beyond, share, one_answer)
    shots = [record for record in row.records if "distillation_noise" in record.notes]
    return _on_shots(shots, one_answer) if shots else None


def _on_shots(records: Sequence[Record], one_answer: str) -> Distilled:
    teacher, zero = (_mean(records, f"{name}_accuracy_on_shots") for name in ("teacher", "zero_shot"))
    # Standard errors of seeds that are drawn apart add in squares.
    noise = math.hypot(*(float(str(record.notes["distillation_noise"])) for record in records)) / len(records)
    return Distilled(
        "on the shots", teacher, zero, f"two standard errors {noise:.2f}", teacher - zero > noise, None, one_answer
    )


def verdicts(rows: Sequence[Row]) -> list[str]:
    """A line for every row that is distilled."""
    return [_line(row, found) for row in rows if (found := distilled(row, rows))]


def _line(row: Row, found: Distilled) -> str:
    learned = "add zero-shot,icl to --methods for the student's share of it"
    if found.share is not None:
        learned = f"the student has {found.share.mean:.0%} of the gap [{found.share.low:.0%}, {found.share.high:.0%}]"
    elif found.measured == "in domain":
        learned = f"the student has {in_domain(row):.3f}"
    alike = f"; the teacher answers {found.one_answer} to nearly every unlabelled input" if found.one_answer else ""
    return (
        f"{row.task} {row.name} {row.shots} shots: teacher {found.teacher:.3f}, zero-shot {found.zero_shot:.3f} "
        f"{found.measured} (gap {found.gap:+.3f}, {found.noise}): {found.verdict}; {learned}{alike}"
    )


def _beside(row: Row, rows: Sequence[Row], method: str) -> Row | None:
    """The row of that method, with the same pattern and examples."""
    for other in rows:
        alike = (other.beside, other.prompt, other.examples) == (row.beside, row.prompt, row.examples)
        if alike and other.records[0].run.method == method and not other.oracle:
            return other
    return None


def _share(notes: Any) -> float:
    return float(notes.get("teacher_commonest_share", 0.0))


def _mean(records: Sequence[Record], name: str) -> float:
    return mean(float(str(record.notes[name])) for record in records)
