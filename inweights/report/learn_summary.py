"""What a learnt context is worth, in sentences: what was recovered, what was lost, when it pays, a verdict."""

import math
from typing import Any

from inweights.report.learn_table import Measured, duration
from inweights.report.statistics import break_even

LITTLE = 0.5
"""Share of the context's gain in accuracy: below, no number of queries makes a stand-in for the text of it."""
RIVALS = {
    "icl": "the whole text in the prompt, read at every query",
    "icl-cached": "the whole text in a warm prefix cache",
    "icl-piece": "the right piece in the prompt",
    "rag": "the piece that BM25 finds",
}
RECOVERED = {"information": "information", "accuracy": "accuracy", "gold_nll": "gold-answer NLL"}


def system_of(form: str) -> str:
    """The name of a form in the table of systems."""
    return f"distilled ({form})"


def undefined(recovered: dict[str, Any]) -> str:
    """Why a recovered share has no value; nothing where it has one."""
    if recovered["value"] is not None and math.isfinite(recovered["value"]):
        return ""
    count = recovered["questions"]
    if not count:
        return "there was no question to measure it on"
    return f"the context makes no difference that {count} question{'s' * (count > 1)} can show"


def share(recovered: dict[str, Any]) -> str:
    if why := undefined(recovered):
        return f"undefined: {why}"
    interval = f"95 % {recovered['low']:.3f} to {recovered['high']:.3f}"
    return f"{recovered['value']:.3f} ({interval}, {recovered['questions']} questions)"


def shares(found: dict[str, Any]) -> dict[str, str]:
    """The recovered shares of one form by name; without questions there is no accuracy and no NLL."""
    missing = "undefined: no question was asked"
    return {shown: share(found[name]) if name in found else missing for name, shown in RECOVERED.items()}


def damage(found: dict[str, Any]) -> str:
    lost = found["collateral"]
    known = lost["neutral_kl"] is not None and math.isfinite(lost["neutral_kl"])
    base_kl = f"{lost['neutral_kl']:.4f} nats per token of drift" if known else "undefined drift"
    read = "an unknown share" if lost["contexts_read"] is None else percent(lost["contexts_read"], 1)
    return f"{base_kl} on neutral prompts; {read} of questions about other contexts in the prompt answered as before"


def paid_after(form: str, measured: Measured) -> dict[str, int | None]:
    """Queries after which learning has paid, by rival; None: never. BM25 is counted here, as the card has the others."""
    rows, found = measured["systems"], measured["learnt"][form]
    if not rows:
        return {}
    own, points = rows[system_of(form)], dict(found["break_even"])
    if "rag" in rows:
        points["rag"] = break_even(own["adapt_seconds"], own["seconds"], 0.0, rows["rag"]["seconds"])
    return {name: points[name] for name in RIVALS if name in points}


def break_evens(form: str, measured: Measured) -> list[str]:
    """A sentence for each rival."""
    rows, points = measured["systems"], paid_after(form, measured)
    told = []
    for name, queries in points.items():
        own, other = rows[system_of(form)], rows[name]
        accuracies = f"accuracy {own['accuracy']:.3f} against {other['accuracy']:.3f}"
        told.append(f"Against {RIVALS[name]} ({name}): {_pays(queries, own, other)}; {accuracies}.")
    missing = [name for name in ("icl", "icl-cached") if name not in points]
    if rows and missing:
        told.append(f"Not measured: {' and '.join(missing)}. Not asked for, or the text does not fit the model's window.")
    return told


def _pays(queries: int | None, own: dict[str, Any], other: dict[str, Any]) -> str:
    mine, theirs = duration(own["seconds"]), duration(other["seconds"])
    if queries is None:
        return f"never pays in time, because a query takes {mine} and there {theirs}"
    learning = duration(own["adapt_seconds"])
    return f"pays its time back after {queries:,} queries ({mine} a query against {theirs}; {learning} to learn)"


def verdict(form: str, measured: Measured) -> str:
    """One sentence of advice, or two where something answers as well for nothing."""
    rows, found = measured["systems"], measured["learnt"][form]
    if not rows:
        return "Whether it pays cannot be told: no question was asked. Give some with right answers (--test)."
    recovered, own = found["accuracy"], rows[system_of(form)]
    if why := undefined(recovered):
        return f"Whether it pays cannot be told: what is recovered of the accuracy is undefined, for {why}."
    value, low, high = (percent(recovered[name]) for name in ("value", "low", "high"))
    kept = f"{value} (95 % interval {low} to {high}) of the accuracy that the context adds"
    if recovered["value"] < LITTLE:
        return f"Not yet a stand-in for the text, at any number of queries: it recovers {kept}. Ask more or train longer."
    points = paid_after(form, measured)
    cold = _advice(points, "icl" if "icl" in points else "icl-piece", rows, own)
    warm = _advice(points, "icl-cached", rows, own)
    advice = f"{cold}; {warm}. It recovers {kept}."
    if "rag" in rows and rows["rag"]["accuracy"] >= own["accuracy"]:
        advice += f" BM25 with nothing learnt is right as often or more ({rows['rag']['accuracy']:.3f})."
    return advice[0].upper() + advice[1:]


def _advice(points: dict[str, int | None], name: str, rows: dict[str, Any], own: dict[str, Any]) -> str:
    if name not in points:
        return f"against {RIVALS[name]} it was not measured"
    queries = points[name]
    if queries is None:
        times = f"{duration(own['seconds'])} a query against {duration(rows[name]['seconds'])}"
        return f"never pays in time against {RIVALS[name]} ({times})"
    return f"pays after {queries:,} queries against {RIVALS[name]}"


def percent(share: float, digits: int = 0) -> str:
    return f"{100 * share:.{digits}f} %"
