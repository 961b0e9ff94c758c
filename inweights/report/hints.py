"""What to try where a model that is not trained gives one answer to everything."""

from collections.abc import Mapping, Sequence

from inweights.report.statistics import constant
from inweights.types import Record

UNTRAINED = ("zero-shot", "icl")


def constant_answers(records: Sequence[Record], patterns: Mapping[str, int]) -> list[str]:
    """One line for each task and pattern. `patterns`: how many patterns each task has."""
    found: dict[tuple[str, str], dict[str, None]] = {}
    for record in records:
        if record.run.method in UNTRAINED and any(map(constant, record.outcomes.values())):
            found.setdefault((record.run.task, record.run.prompt), {})[record.run.method] = None
    return [
        f"{task}: {' and '.join(methods)} by the pattern {pattern} gave one answer to a whole set; {_others(patterns[task])}"
        "try icl+batch, which takes a constant preference for an answer out"
        for (task, pattern), methods in found.items()
        if task in patterns
    ]


def _others(patterns: int) -> str:
    others = patterns - 1
    return f"{others} other pattern{'s exist' if others > 1 else ' exists'} (--pattern-name), or " if others else ""
