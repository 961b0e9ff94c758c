"""Before a context is learnt: what it tells the model, what it costs at every call, what learning it would cost."""

import math
import random
import time
from collections.abc import Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

from inweights.context.chunks import Chunk
from inweights.context.method_inputs import inputs_for, whole_text
from inweights.context.methods import IN_PROMPT, systems_of
from inweights.context.metrics import gap_recovered
from inweights.context.passes import Passes
from inweights.context.qa_tokens import Question, text_of
from inweights.context.question_sampling import own_questions, question_counts
from inweights.context.settings import EFFORTS, Settings
from inweights.context.systems import primary_metric, respond
from inweights.context.teacher import assign_chunks, teacher_answers
from inweights.context.template import Template
from inweights.context.timing import kv_bytes_per_token, timed
from inweights.context.train import initial_update, seconds_of_step
from inweights.context.training_mix import rows_of
from inweights.context.training_rows import Student
from inweights.context.work_cache import Store
from inweights.models.base import Backbone
from inweights.report.statistics import break_even

PIECES, EACH = 8, 6
"""Pieces that are asked about, and questions about each."""
LITTLE = 0.05
"""Nats per answer token: below, the context changes next to nothing."""


def probe(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    store: Store,
    queries: Sequence[Question] = (),
    tests: Sequence[Question] = (),
) -> dict[str, Any]:
    """What `inweights probe` says; JSON values only. Asks and answers a few questions, trains nothing."""
    rng = random.Random(f"probe {settings.seed}")
    picked = sorted(rng.sample(range(len(chunks)), min(PIECES, len(chunks))))
    some = [chunks[number] for number in picked]
    started = time.monotonic()
    if queries or tests:
        known = list(tests or queries)
        questions = assign_chunks(model, template, chunks, rng.sample(known, min(PIECES * EACH, len(known))))
        pieces: Sequence[Chunk] = chunks
    else:
        questions = own_questions(model, template, some, [48.0 * EACH] * len(some), store, settings.seed)
        pieces = some
    told = teacher_answers(model, template, pieces, questions, store)
    asking = (time.monotonic() - started) / max(1, len(questions))
    answer_tokens = sum(len(each.alone.completion_ids) for each in told.lessons)
    information = sum(told.bare) / max(1, answer_tokens)
    tokens = len(model.encode([whole_text(chunks)])[0])
    systems = systems_of(inputs_for(model, template, chunks, settings, questions), IN_PROMPT)
    # Questions about some pieces know them by their place among those.
    asked = questions if pieces is chunks else [replace(each, chunk=picked[each.chunk or 0]) for each in questions]
    times = {each.name: {"seconds": timed(each, template, asked).seconds.median} for each in systems}
    # Without right answers the teacher's own are: then the model alone is asked how many of them it gives anyway.
    said = {each.question.text: text_of(model, template, each.behind.completion_ids) for each in told.lessons}
    known = [replace(each, gold=each.gold or said.get(each.text, "")) for each in asked]
    known = [each for each in known if each.gold]
    found: dict[str, Any] = {
        "right": "given answers" if tests else "the teacher's answers",
        "tokens": tokens,
        "pieces": len(chunks),
        "window": model.card.max_tokens,
        "kv_bytes": kv_bytes_per_token(model) * tokens,
        "questions": len(told.lessons),
        "information": information,
        "seconds": times,
        "accuracy": _accuracy(systems, template, known, bool(tests)),
        "efforts": _efforts(model, chunks, settings, asking, rows_of(told), times),
    }
    found["advice"] = advice(found)
    return found


def _accuracy(systems: Sequence[Any], template: Template, asked: Sequence[Question], given: bool) -> dict[str, Any] | None:
    """With the context and without, where right answers are known."""
    if not asked:
        return None
    metric = primary_metric(template, given)
    sides = {each.name: respond(each, template, asked, metric).scores for each in systems}
    gap = gap_recovered(sides["alone"], sides["icl-piece"], sides["icl-piece"])
    return {name: mean(right) for name, right in sides.items()} | {"distinct": gap.value is not None}


def _efforts(
    model: Backbone,
    chunks: Sequence[Chunk],
    settings: Settings,
    asking: float,
    rows: Sequence[Any],
    times: dict[str, dict[str, float]],
) -> dict[str, Any]:
    """Seconds that each level would take, and after how many queries that has paid."""
    texts = [chunk.text for chunk in chunks]
    sizes = [float(len(ids)) for ids in model.encode(texts)]
    learned = initial_update(model, texts, settings)
    student = Student(learned.rows(rows))
    mean_tokens = sum(len(row.tree) for row in student.rows) / len(rows)
    schedule = settings.schedule(len(rows), mean_tokens, model.hidden_size)
    passes = Passes(learned.model, learned.adapted.parameters, student)
    step = seconds_of_step(passes, schedule.batch_size)
    per_row = step / min(schedule.batch_size, len(rows))
    alone = times["alone"]["seconds"]
    found = {}
    for name, effort in EFFORTS.items():
        lessons = sum(question_counts(effort, sizes))
        training = lessons * settings.epochs_of(lessons) * per_row / (1 - settings.replay)
        seconds = lessons * asking + training
        rivals = {
            rival: break_even(seconds, alone, 0.0, times[rival]["seconds"])
            for rival in ("icl", "icl-cached", "icl-piece")
            if rival in times
        }
        found[name] = {"lessons": lessons, "seconds": seconds, "break_even": rivals}
    return found


def advice(found: dict[str, Any]) -> str:
    """One sentence."""
    if found["information"] < LITTLE:
        return (
            f"Do not distil: the context changes what the model says by {found['information']:.3f} nats per answer token, "
            "next to nothing."
        )
    accuracy = found["accuracy"]
    if accuracy and not accuracy["distinct"]:
        return (
            f"Do not distil: {accuracy['icl-piece']:.0%} of the questions are answered right with the context and "
            f"{accuracy['alone']:.0%} without it, no difference that these can show; the teacher is the ceiling."
        )
    standard = found["efforts"]["standard"]
    rivals = {"icl": "a cold prompt", "icl-cached": "a warm prefix cache", "icl-piece": "retrieving the right piece"}
    paid = [
        f"{count:,} queries against {rivals[name]}" for name, count in standard["break_even"].items() if count is not None
    ]
    never = [rivals[name] for name, count in standard["break_even"].items() if count is None]
    parts = [f"Learning it takes about {spelled(standard['seconds'])} and pays after {' and '.join(paid)}" if paid else ""]
    if never:
        parts.append(f"{'it' if paid else 'In time learning it'} never pays against {' or '.join(never)}")
    return "; ".join(part for part in parts if part) + "."


def spelled(seconds: float) -> str:
    """Such as `90 s`, `12 min`, `3.5 h`."""
    if seconds < 120 or math.isinf(seconds):
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
