"""Answers and times of the systems that `probe` compares, each distinct context read once."""

from collections.abc import Sequence
from statistics import mean
from typing import Any

from inweights.context.metrics import gap_recovered
from inweights.context.qa_tokens import Question
from inweights.context.systems import System
from inweights.context.template import Template
from inweights.context.timing import timed
from inweights.metrics import METRICS, Metric

TIMED = 2
"""Queries that are timed with each context."""
Outputs = dict[tuple[str | None, str], str]
"""By context and question."""


def seconds_per_query(systems: Sequence[System], template: Template, questions: Sequence[Question]) -> dict[str, float]:
    """By system; systems that read the same texts in the same way are timed once."""
    some = questions[:TIMED]
    measured: dict[object, float] = {}
    found = {}
    for system in systems:
        reads = (system.warm, tuple(system.context(each) for each in some))
        if reads not in measured:
            measured[reads] = timed(system, template, some).seconds.median
        found[system.name] = measured[reads]
    return found


def accuracy(
    systems: Sequence[System],
    template: Template,
    questions: Sequence[Question],
    metric: Metric,
    known: Outputs,
) -> dict[str, Any] | None:
    """Mean score by system, and whether the right piece makes a difference; None where no right answer is known.

    `known`: outputs that are there already; new ones are added.
    """
    if not questions:
        return None
    scores = {}
    for system in systems:
        outputs = _outputs(system, template, questions, known)
        scores[system.name] = [METRICS[metric](text, each.gold) for text, each in zip(outputs, questions, strict=True)]
    gap = gap_recovered(scores["alone"], scores["icl-piece"], scores["icl-piece"])
    return {name: mean(each) for name, each in scores.items()} | {"distinct": gap.value is not None}


def _outputs(system: System, template: Template, questions: Sequence[Question], known: Outputs) -> list[str]:
    missing = [each for each in questions if (system.context(each), each.text) not in known]
    queries = [system.query(template, each) for each in missing]
    for each, output in zip(missing, system.model.generate(queries, template.answer_tokens), strict=True):
        known[system.context(each), each.text] = output.strip()
    return [known[system.context(each), each.text] for each in questions]
