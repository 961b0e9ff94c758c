"""One table of a learnt context beside everything else that could answer about it, and what learning it has cost."""

import math
import random
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from statistics import mean
from typing import Any

from inweights.context.baselines import System, of_learnt, respond, text_systems, timed, whole_text
from inweights.context.chunks import Chunk
from inweights.context.learn import Outcome
from inweights.context.metrics import Recovered, Said, base_kl, gap_recovered, in_context_retention, information_recovered
from inweights.context.qa_tokens import Question, text_of
from inweights.context.settings import Settings
from inweights.context.teacher import assign_chunks, teacher_answers_of, teacher_kl
from inweights.context.template import Template
from inweights.context.trained_baselines import next_token, sft
from inweights.context.training_mix import replay, rows_of
from inweights.models.base import LanguageModel
from inweights.report.statistics import break_even

RIVALS = ("icl", "icl-cached", "rag", "sft", "next-token", "distilled+rag")
SHARED = ("questions", "answers", "replay")
"""Phases whose work is kept on disk and taken up by the next form."""
PLACES = 5
"""Parts of the document that accuracy is reported by."""
MOST = 400
"""Questions asked of every system."""


def evaluate(
    model: LanguageModel,
    template: Template,
    chunks: Sequence[Chunk],
    outcomes: dict[str, Outcome],
    settings: Settings,
    tests: Sequence[Question] = (),
    rivals: Sequence[str] = ("icl", "icl-cached", "rag"),
) -> dict[str, Any]:
    """All that the report of a learnt context says; JSON values only.

    `outcomes`: by form. `tests`: questions with right answers; without them the teacher's answers to those held out are
    what is right.
    """
    first = next(iter(outcomes.values()))
    asked = _located(model, template, chunks, tests) if tests else _of_held_out(model, template, first)
    all_asked = len(asked)
    if all_asked > MOST:  # from all over the document, not its beginning
        asked = [asked[number] for number in sorted(random.Random(settings.seed).sample(range(all_asked), MOST))]
    spent = {form: sum(seconds_of(outcome, outcomes.values()).values()) for form, outcome in outcomes.items()}
    texts = text_systems(model, template, chunks, asked)
    rag = texts[-1]
    systems = [each for each in texts if each.name in ("alone", "icl-piece") or each.name in rivals]
    for form, outcome in outcomes.items():
        systems.append(of_learnt(f"distilled ({form})", outcome.learned, spent[form]))
        if "distilled+rag" in rivals:
            systems.append(of_learnt(f"distilled ({form}) + rag", outcome.learned, spent[form], rag))
    systems += _trained(model, chunks, first, settings, rivals)
    said = {each.name: respond(each, template, asked) for each in systems} if asked else {}
    times = {each.name: timed(each, template, asked) for each in systems} if asked else {}
    table = {each.name: _row(each, said[each.name], asked, chunks) for each in systems} if asked else {}
    for each in systems:
        if each.name in times:
            table[each.name] |= asdict(times[each.name]) | {
                "kv_bytes": times[each.name].context_tokens * kv_bytes_per_token(model)
            }
    return {
        "tokens": len(model.encode([whole_text(chunks)])[0]),
        "pieces": len(chunks),
        "kv_bytes_per_token": kv_bytes_per_token(model),
        "questions": len(asked),
        "questions_in_all": all_asked,
        "right": "given answers" if tests else "the teacher's answers",
        "systems": table,
        "learnt": {
            form: _of_form(model, template, chunks, outcome, settings, asked, said, table, form)
            | {"seconds": seconds_of(outcome, outcomes.values())}
            | ({"information": asdict(_information(model, template, chunks, outcome, asked))} if tests else {})
            for form, outcome in outcomes.items()
        },
    }


def _of_form(
    model: LanguageModel,
    template: Template,
    chunks: Sequence[Chunk],
    outcome: Outcome,
    settings: Settings,
    asked: Sequence[Question],
    said: dict[str, Said],
    table: dict[str, dict[str, Any]],
    form: str,
) -> dict[str, Any]:
    found: dict[str, Any] = {
        "information": asdict(outcome.recovered[-1]),
        "rounds": [each.value for each in outcome.recovered],
        "lessons": len(outcome.lessons.lessons),
        "held_out": len(outcome.held_out.lessons),
        "synthetic_tokens": sum(len(each.alone.tree) for each in outcome.lessons.lessons),
        "collateral": collateral(model, template, chunks, outcome, settings),
    }
    name = f"distilled ({form})"
    if asked:
        sides = [said[each] for each in ("alone", "icl-piece", name)]
        found["accuracy"] = asdict(gap_recovered(*(each.right(asked) for each in sides)))
        known = [i for i, each in enumerate(asked) if each.gold]
        found["gold_nll"] = asdict(gap_recovered(*([-each.gold_nll[i] for i in known] for each in sides)))
        spent = table[name]["adapt_seconds"]
        found["break_even"] = {
            rival: break_even(spent, table[name]["seconds"], 0.0, table[rival]["seconds"])
            for rival in ("icl", "icl-cached", "icl-piece")
            if rival in table
        }
    return found


def _information(
    model: LanguageModel, template: Template, chunks: Sequence[Chunk], outcome: Outcome, asked: Sequence[Question]
) -> Recovered:
    """On questions with right answers; what is recovered is the teacher's distribution all the same."""
    bare: list[float] = []
    lost: list[float] = []
    for number, chunk in enumerate(chunks):
        if own := [each for each in asked if each.chunk == number]:
            found = teacher_answers_of(model, template, chunk.text, own)
            bare += found.bare
            lost += teacher_kl(outcome.learned, found)
    return information_recovered(bare, lost)


def seconds_of(outcome: Outcome, all_of: Iterable[Outcome]) -> dict[str, float]:
    """By phase. What several forms share, the first has paid for: each is told what it would have cost alone."""
    shared = {phase: max(each.seconds.get(phase, 0.0) for each in all_of) for phase in SHARED if phase in outcome.seconds}
    return outcome.seconds | shared


def collateral(
    model: LanguageModel, template: Template, chunks: Sequence[Chunk], outcome: Outcome, settings: Settings
) -> dict[str, float | None]:
    """What learning has done to everything else: prompts of the replay's kinds, none of which was trained on."""
    fresh = replace(settings, replay=max(settings.replay, 0.2))
    rows = replay(model, template, chunks, outcome.lessons, rows_of(outcome.lessons)[:64], fresh, "collateral")
    read = outcome.learned.rows(rows)
    behind = [row for row in read if row.firsts]
    neutral = [row for row in read if not row.firsts]
    return {
        "neutral_kl": base_kl(outcome.learned.model, neutral) if neutral else None,
        "contexts_read": in_context_retention(outcome.learned.model, behind) if behind else None,
    }


def kv_bytes_per_token(model: LanguageModel) -> int:
    """Of keys and values in all layers, in the model's dtype."""
    like = model.prefix(model.encode(["a"])[0])
    tables = [*like.keys, *like.values]
    return sum(each.shape[0] * each.shape[2] * each.element_size() for each in tables)


def _trained(
    model: LanguageModel, chunks: Sequence[Chunk], outcome: Outcome, settings: Settings, rivals: Sequence[str]
) -> list[System]:
    lora = replace(settings, form="lora")
    budget = max(10.0, outcome.seconds.get("training", 60.0))
    found = []
    if "sft" in rivals:
        started = time.monotonic()
        learned = sft(model, chunks, outcome.lessons, lora, budget)
        found.append(of_learnt("sft", learned, time.monotonic() - started))
    if "next-token" in rivals:
        started = time.monotonic()
        epochs = settings.epochs_of(len(outcome.lessons.lessons))
        reads = epochs * sum(len(each.alone.completion_ids) for each in outcome.lessons.lessons)
        learned = next_token(model, chunks, lora, reads, budget)
        found.append(of_learnt("next-token", learned, time.monotonic() - started))
    return found


def _row(system: System, said: Said, asked: Sequence[Question], chunks: Sequence[Chunk]) -> dict[str, Any]:
    right = said.right(asked)
    kinds = dict.fromkeys(each.kind for each in asked if each.kind)
    places: list[list[float]] = [[] for _ in range(PLACES)]
    for each, hit in zip(asked, right, strict=True):
        place = each.place if each.place is not None else (each.chunk or 0) / len(chunks)
        places[min(PLACES - 1, int(place * PLACES))].append(hit)
    nll = [each for each in said.gold_nll if not math.isnan(each)]
    return {
        "accuracy": mean(right),
        "by_kind": {kind: mean(r for r, each in zip(right, asked, strict=True) if each.kind == kind) for kind in kinds},
        "by_place": [mean(each) if each else None for each in places],
        "gold_nll": mean(nll) if nll else None,
        "adapt_seconds": system.adapt_seconds,
        "artifact_bytes": system.artifact_bytes,
    }


def _located(model: LanguageModel, template: Template, chunks: Sequence[Chunk], tests: Sequence[Question]) -> list[Question]:
    found = assign_chunks(model, template, chunks, tests)
    return [each if each.place is not None else replace(each, place=(each.chunk or 0) / len(chunks)) for each in found]


def _of_held_out(model: LanguageModel, template: Template, outcome: Outcome) -> list[Question]:
    return [
        replace(each.question, gold=each.question.gold or text_of(model, template, each.behind.completion_ids))
        for each in outcome.held_out.lessons
        if text_of(model, template, each.behind.completion_ids)
    ]
