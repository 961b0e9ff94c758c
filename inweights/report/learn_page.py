"""The page of a learned context: what was recovered, sample answers, costs beside every rival; drawn by assets/learn.js.

It shows questions and answers, which are as confidential as the sources; the sources' own text is not in it.
"""

from collections.abc import Mapping
from dataclasses import asdict
from statistics import mean
from typing import Any

from inweights.learn_records import LearnReport, Recovered, system_of
from inweights.report.html import rendered
from inweights.report.learn_scores import (
    answers,
    by_kind,
    by_place,
    interval,
    latency,
    learning_seconds,
    samples,
    unknown_only,
)
from inweights.report.learn_summary import (
    RIVALS,
    alarm,
    break_evens,
    damage,
    paid_after,
    recovered,
    shares,
    undefined,
    verdict,
)
from inweights.report.learn_table import cells, heads, legend
from inweights.types import Record
from inweights.wording import duration, size

SHOWN = 50
"""Sample answers of each form; the card holds all."""


def page(card: Mapping[str, Any], report: LearnReport) -> str:
    """The HTML text. `card`: the values of the context card. Raises KeyError or TypeError where it lacks something."""
    forms = report.forms
    shown = {
        "headlines": [f"{form}: {verdict(form, report)}" for form in forms],
        "alarms": [f"{form}: {alarm(found)}" for form, found in forms.items() if found.parts],
        "sources": list(card["sources"]),
        "base": card["base"],
        "kept": {form: {**shares(found), "damage": damage(found)} for form, found in forms.items()},
        "rounds": _rounds(report),
        "break_evens": {form: break_evens(form, report) for form in forms},
        "heads": heads(report),
        "lines": cells(report),
        "legend": legend(report),
        "samples": {form: samples(form, report, SHOWN) for form in forms},
        "questions": report.questions,
        "phases": list(dict.fromkeys(phase for found in forms.values() for phase in found.seconds)),
        "seconds": {form: _phases(found.seconds) for form, found in forms.items()},
        "evaluating": duration(report.evaluation_seconds),
        "skipped": report.skipped,
        "how": _how(card, report),
    }
    return rendered("learn", _data(report), shown)


def _data(report: LearnReport) -> dict[str, Any]:
    return {
        "metric": report.sets[report.primary].metric if report.primary else "",
        "systems": [_system(name, row, report) for name, row in report.systems.items()],
        "recovered": [
            _share(form, name, each) for form, found in report.forms.items() for name, each in recovered(found).items()
        ],
        "crossings": [
            {"form": form, "system": system_of(form), "rival": rival, "queries": queries}
            # By rival first: of labels that would lie on one another the first is shown.
            for rival in RIVALS
            for form in report.forms
            if (queries := paid_after(form, report).get(rival)) is not None
        ],
    }


def _share(form: str, name: str, found: Recovered) -> dict[str, Any]:
    """A share as the picture draws it; without an interval it is drawn as a point."""
    ends = {
        "low": found.value if found.low is None else found.low,
        "high": found.value if found.high is None else found.high,
    }
    few = found.low is None
    return {
        "form": form,
        "name": name.partition(" (")[0],
        "undefined": bool(undefined(found)),
        **asdict(found),
        **ends,
        "few": few,
    }


def _system(name: str, row: Record, report: LearnReport) -> dict[str, Any]:
    scores = answers(name, report).scores
    ends = interval(scores)
    unknown = unknown_only(name, report)
    return {
        "name": name,
        "accuracy": mean(scores),
        "low": ends.low if ends else None,
        "high": ends.high if ends else None,
        "unknown_only": mean(unknown) if unknown else None,
        "by_kind": by_kind(name, report),
        "by_place": by_place(name, report),
        "seconds": latency(row).median,
        "p95": latency(row).p95,
        "first_token": row.first_token.median if row.first_token else None,
        "kv_bytes": row.kv_bytes,
        "adapt_seconds": learning_seconds(row),
        "artifact_bytes": row.artifact_bytes,
    }


def _rounds(report: LearnReport) -> list[str]:
    """Information recovered after each round, of the forms that had several."""
    lines = []
    for form, found in report.forms.items():
        if len(found.rounds) > 1:
            values = ", ".join("undefined" if each is None else f"{each:.3f}" for each in found.rounds)
            lines.append(f"{form}: information recovered on held-out questions after each round: {values}")
    return lines


def _phases(seconds: Mapping[str, float]) -> dict[str, str]:
    return {**{phase: duration(each) for phase, each in seconds.items()}, "all": duration(sum(seconds.values()))}


def _how(card: Mapping[str, Any], report: LearnReport) -> list[tuple[str, str]]:
    """What it takes to do it again, and how large everything was."""
    base = card["base"]
    found = [
        ("model", f"{base['name']} ({base['architecture']}, {base['dtype']})"),
        ("forms", ", ".join(card["forms"])),
        ("weights", base["weights"]),
        ("tokenizer", base["tokenizer"]),
        ("template", f"{card['settings'].get('template', 'own')}, {card['template_digest']}"),
        *((source, f"SHA-256 {digest}") for source, digest in card["sources"].items()),
        ("context", f"{report.tokens:,} tokens in {report.pieces:,} pieces of up to {card['chunk_tokens']:,}"),
        ("keys and values", f"{size(report.kv_bytes_per_token)} per token of context"),
        ("peak memory", f"{size(report.peak_bytes)} above the loaded model, while learning"),
    ]
    found += [each for each in (("asker", report.asker), ("teacher", report.teacher)) if each[1]]
    for form, each in report.forms.items():
        counts = f"{each.answers_learned:,} answers trained on, {each.answers_held_out:,} held out"
        sizes = f"{each.synthetic_tokens:,} synthetic tokens; {size(each.artifact_bytes)} on disk"
        found.append((form, f"{counts}; {sizes}"))
    hidden = ("form", "template")
    return [
        *found,
        *((name, str(value)) for name, value in card["settings"].items() if value is not None and name not in hidden),
    ]
