"""Before a context is learnt: what it tells the model, what it costs at every call, what learning it would cost."""

import math
import random
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from inweights.context.chunks import Chunk
from inweights.context.conversation import spelled
from inweights.context.forecast import efforts
from inweights.context.method_inputs import inputs_for
from inweights.context.methods import IN_PROMPT, systems_of
from inweights.context.other_model import OtherModel
from inweights.context.probe_systems import Outputs, accuracy, seconds_per_query
from inweights.context.qa_tokens import Question, text_of
from inweights.context.question_sampling import own_questions
from inweights.context.question_turns import LESSON_TOKENS, first_counts, first_group
from inweights.context.settings import Settings
from inweights.context.surroundings import whole_text
from inweights.context.systems import primary_metric
from inweights.context.teacher import assign_chunks, teacher_answers
from inweights.context.template import Template
from inweights.context.timing import kv_bytes_per_token
from inweights.context.training_mix import rows_of
from inweights.context.work_cache import Store
from inweights.models.base import Backbone
from inweights.wording import counted

QUESTIONS = 24
"""Of those given, that are asked."""
LITTLE = 0.05
"""Nats per answer token: below, the context changes next to nothing."""
SAMPLES = 5
Say = Callable[[str], None]


def probe(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    store: Store,
    queries: Sequence[Question] = (),
    tests: Sequence[Question] = (),
    *,
    asker: OtherModel | None = None,
    teacher: OtherModel | None = None,
    say: Say = lambda text: None,
) -> dict[str, Any]:
    """What `inweights probe` says; JSON values only. Asks and answers a few questions, trains nothing.

    `store`: where its questions are kept, which `learn` takes up. `asker`, `teacher`: as in `learn`.
    """
    started = time.monotonic()
    questions = _questions(model, template, chunks, settings, store, [*(tests or queries)], asker, say)
    say(f"{counted(len(questions), 'question')} after {time.monotonic() - started:.0f} s; answering with the context")
    with teacher.loaded() if teacher else nullcontext(None) as answering:
        answered = teacher_answers(model, template, chunks, questions, store, teacher=answering)
    asking = (time.monotonic() - started) / max(1, len(questions))
    say(f"answered after {time.monotonic() - started:.0f} s; timing queries and a training step")
    systems = systems_of(inputs_for(model, template, chunks, settings, questions), IN_PROMPT)
    seconds = seconds_per_query(systems, template, questions)
    forecast = efforts(model, chunks, settings, asking, rows_of(answered), seconds)
    say(f"timed after {time.monotonic() - started:.0f} s; answering without the context")
    outputs = [text_of(model, template, each.with_context.completion_ids) for each in answered.examples]
    questions = [each.question for each in answered.examples]
    # Without right answers the teacher's are: then the model alone is asked how many of them it gives anyway.
    right = [replace(each, gold=each.gold if tests else text) for each, text in zip(questions, outputs, strict=True)]
    # What the model itself has said with the right piece is not generated again.
    pairs = [] if teacher else list(zip(questions, outputs, strict=True))
    read: Outputs = {(chunks[each.chunk or 0].text, each.text): text for each, text in pairs}
    scored = [each for each in right if each.gold]
    tokens = model.count_tokens([whole_text(chunks)])[0]
    found: dict[str, Any] = {
        "right": "given answers" if tests else "the teacher's answers",
        "tokens": tokens,
        "pieces": len(chunks),
        "window": model.card.max_tokens,
        "kv_bytes": kv_bytes_per_token(model) * tokens,
        "questions": len(questions),
        "information": sum(answered.bare) / max(1, sum(len(each.alone.completion_ids) for each in answered.examples)),
        "seconds": {name: {"seconds": each} for name, each in seconds.items()},
        "accuracy": accuracy(systems, template, scored, primary_metric(template, bool(tests)), read),
        "efforts": forecast,
        "asker": asker.name if asker else "",
        "teacher": teacher.name if teacher else "",
        "samples": [[spelled(each.text), text] for each, text in zip(questions, outputs, strict=True)][:SAMPLES],
        "probe_seconds": time.monotonic() - started,
    }
    found["advice"] = advice(found)
    return found


def _questions(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    store: Store,
    given: Sequence[Question],
    asker: OtherModel | None,
    say: Say,
) -> list[Question]:
    """Some of those given; else those that `learn` begins with, about pieces from all over the context."""
    if given:
        drawn = random.Random(f"probe {settings.seed}").sample(given, min(QUESTIONS, len(given)))
        return assign_chunks(model, template, chunks, drawn)
    group = first_group(len(chunks))
    tokens = [float(LESSON_TOKENS * count) * (n in group) for n, count in enumerate(first_counts(model, chunks))]
    with asker.loaded() if asker else nullcontext((model, template)) as (writer, reading):
        return own_questions(writer, reading, chunks, tokens, store, settings.seed, say=say, turns=1)


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
    parts = [f"Learning it takes about {duration(standard['seconds'])} and pays after {' and '.join(paid)}" if paid else ""]
    if never:
        parts.append(f"{'it' if paid else 'In time learning it'} never pays against {' or '.join(never)}")
    return "; ".join(part for part in parts if part) + "."


def duration(seconds: float) -> str:
    """Such as `90 s`, `12 min`, `3.5 h`."""
    if seconds < 120 or math.isinf(seconds):
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
