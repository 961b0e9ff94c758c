"""The page of a learnt context: what was recovered, what it costs beside every rival; drawn by assets/learnt.js.

Nothing of the sources' text is in it, nor the probes' questions and answers.
"""

from collections.abc import Mapping
from typing import Any

from inweights.report.html import rendered
from inweights.report.learn_summary import (
    RECOVERED,
    RIVALS,
    break_evens,
    damage,
    paid_after,
    shares,
    system_of,
    undefined,
    verdict,
)
from inweights.report.learn_table import HEADS, Measured, cells, duration, legend, size
from inweights.report.statistics import over_seeds


def page(card: Mapping[str, Any]) -> str:
    """The HTML text. Raises KeyError or TypeError where the card lacks something."""
    measured = card["measured"]
    forms = list(measured["learnt"])
    told = {
        "headlines": [f"{form}: {verdict(form, measured)}" for form in forms],
        "sources": list(card["sources"]),
        "base": card["base"],
        "kept": {form: {**shares(found), "damage": damage(found)} for form, found in measured["learnt"].items()},
        "rounds": _rounds(measured),
        "break_evens": {form: break_evens(form, measured) for form in forms},
        "heads": HEADS,
        "lines": cells(measured),
        "legend": legend(measured),
        "phases": list(dict.fromkeys(phase for found in measured["learnt"].values() for phase in found["seconds"])),
        "seconds": {form: _phases(found["seconds"]) for form, found in measured["learnt"].items()},
        "evaluating": duration(measured["evaluation_seconds"]),
        "skipped": measured["skipped"],
        "how": _how(card),
    }
    return rendered("learnt", _data(measured), told)


def _data(measured: Measured) -> dict[str, Any]:
    return {
        "systems": [_system(name, row, measured["questions"]) for name, row in measured["systems"].items()],
        "recovered": [
            {"form": form, "name": shown, "undefined": bool(undefined(found[name])), **found[name]}
            for form, found in measured["learnt"].items()
            for name, shown in RECOVERED.items()
            if name in found
        ],
        "crossings": [
            {"form": form, "system": system_of(form), "rival": rival, "queries": queries}
            # By rival first: of labels that would lie on one another the first is shown.
            for rival in RIVALS
            for form in measured["learnt"]
            if (queries := paid_after(form, measured).get(rival)) is not None
        ],
    }


def _system(name: str, row: dict[str, Any], questions: int) -> dict[str, Any]:
    interval = over_seeds([row["accuracy"]], questions)
    return {**row, "name": name, "low": interval.low, "high": interval.high}


def _rounds(measured: Measured) -> list[str]:
    """Information recovered after each round, of the forms that had several."""
    told = []
    for form, found in measured["learnt"].items():
        if len(found["rounds"]) > 1:
            values = ", ".join("undefined" if each is None else f"{each:.3f}" for each in found["rounds"])
            told.append(f"{form}: information recovered after each round: {values}")
    return told


def _phases(seconds: Mapping[str, float]) -> dict[str, str]:
    return {**{phase: duration(each) for phase, each in seconds.items()}, "all": duration(sum(seconds.values()))}


def _how(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What it takes to do it again, and how large everything was."""
    measured, base = card["measured"], card["base"]
    found = [
        ("model", f"{base['name']} ({base['architecture']}, {base['dtype']})"),
        ("forms", ", ".join(card["forms"])),
        ("weights", base["weights"]),
        ("tokenizer", base["tokenizer"]),
        ("template", f"{card['settings'].get('template', 'own')}, {card['template_digest']}"),
        *((source, f"SHA-256 {digest}") for source, digest in card["sources"].items()),
        ("context", f"{measured['tokens']:,} tokens in {measured['pieces']:,} pieces of up to {card['chunk_tokens']:,}"),
        ("keys and values", f"{size(measured['kv_bytes_per_token'])} per token of context"),
        ("peak memory", f"{size(measured['peak_bytes'])} above the loaded model, while learning"),
    ]
    for form, each in measured["learnt"].items():
        counts = f"{each['lessons']:,} answers learnt by, {each['held_out']:,} held out"
        sizes = f"{each['synthetic_tokens']:,} synthetic tokens; {size(each['artifact_bytes'])} on disk"
        found.append((form, f"{counts}; {sizes}"))
    hidden = ("form", "template")
    return [
        *found,
        *((name, str(value)) for name, value in card["settings"].items() if value is not None and name not in hidden),
    ]
