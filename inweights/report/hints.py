"""What to try where an untrained model gives the same answer to everything."""

from collections.abc import Mapping, Sequence

from inweights.report.conditions import pattern_name
from inweights.report.statistics import constant
from inweights.types import Record

UNTRAINED = ("zero-shot", "icl")


def constant_answers(records: Sequence[Record], patterns: Mapping[str, int]) -> list[str]:
    """One line for each task, model and pattern with something to try. `patterns`: how many each task has."""
    found: dict[tuple[str, str, str], dict[str, None]] = {}
    for record in records:
        if record.run.method in UNTRAINED and any(map(constant, record.outcomes.values())):
            found.setdefault(_of(record), {})[record.run.method] = None
    compared = {(*_of(record), record.run.method) for record in records}
    tried = {task: {name for r in records if r.run.task == task for name in r.run.prompt.split(",")} for task in patterns}
    several = len({str(record.run.weights) for record in records}) > 1
    lines = []
    for key, methods in found.items():
        task, model, pattern = key
        calibrated = "icl+batch" if "icl" in methods else "zero-shot+batch"
        advice = _advice(
            patterns.get(task, 0) - len(tried.get(task, ())), "" if (*key, calibrated) in compared else calibrated
        )
        where = f"{task}, {model}" if several else task
        if task in patterns and advice:
            lines.append(
                f"{where}: {' and '.join(methods)} by the pattern {pattern} gave one answer to a whole set; {advice}"
            )
    return lines


def _of(record: Record) -> tuple[str, str, str]:
    return record.run.task, str(record.run.weights), pattern_name(record)


def _advice(others: int, calibrated: str) -> str:
    exist = f"{others} other pattern{'s exist' if others > 1 else ' exists'} (--patterns)" if others > 0 else ""
    tried = f"try {calibrated}, which takes a constant preference for an answer out" if calibrated else ""
    return ", or ".join(filter(None, [exist, tried]))
