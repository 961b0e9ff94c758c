"""What the student is trained on: the answers that are worth it, and what keeps it from losing what it could do."""

import math
import random
from collections.abc import Sequence

from inweights.context.chunks import Chunk
from inweights.context.replay import (
    ANSWER_TOKENS,
    NEUTRAL_TOKENS,
    QUESTIONS,
    WINDOW,
    conflicting_rows,
    neutral_rows,
)
from inweights.context.settings import Settings
from inweights.context.template import Template
from inweights.context.training_rows import Row, row_of
from inweights.context.work_cache import TeacherAnswers
from inweights.models.base import Backbone

KNOWN = 0.02
"""Nats per token from teacher to bare model: below, the context changes nothing."""
LEAST_KNOWN = 64
NEUTRAL = 0.2
"""Share of the positions replayed that are of texts from nothing: drift on them is small without many."""


def select_answers(answered: TeacherAnswers, wrong: Sequence[float], settings: Settings) -> TeacherAnswers:
    """All answers that the context changes, and for each up to `settings.known` that it does not, drawn at random.

    Of those, such as that something is not said, a few keep the student from saying more than it was taught. `wrong`: how
    far the student is from each to begin with, in nats: what another version has taught it is to be changed as well.
    """
    bounds = [KNOWN * len(each.alone.completion_ids) for each in answered.examples]
    far = map(max, answered.bare, wrong)
    new = [number for number, (each, bound) in enumerate(zip(far, bounds, strict=True)) if each > bound]
    old = sorted(set(range(len(answered.bare))) - set(new))
    old = random.Random(f"known {settings.seed}").sample(
        old, min(len(old), max(LEAST_KNOWN, round(settings.known * len(new))))
    )
    chosen = sorted([*new, *old])
    parts = (answered.examples, answered.logprobs, answered.bare)
    return TeacherAnswers(*(tuple(part[number] for number in chosen) for part in parts))  # type: ignore[arg-type]


def rows_of(answered: TeacherAnswers) -> list[Row]:
    return [row_of(each.alone.tree, logprobs) for each, logprobs in zip(answered.examples, answered.logprobs, strict=True)]


def replay(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    answered: TeacherAnswers,
    rows: Sequence[Row],
    settings: Settings,
    name: str = "replay",
    until: float = math.inf,
) -> list[Row]:
    """Neutral and conflicting prompts, `NEUTRAL` of their positions neutral; they are `settings.replay` of all positions.

    Prompts that come back every epoch would be learnt by heart, and others no better read than before. `until`: on
    time.monotonic(); after it no more are made.
    """
    if not settings.replay or not rows:
        return []
    rng = random.Random(f"{name} {settings.seed}")
    wanted = max(32.0, sum(len(row.logprobs) for row in rows) * settings.replay / (1 - settings.replay))
    read = QUESTIONS * min(template.answer_tokens, ANSWER_TOKENS)
    count, texts = (1 - NEUTRAL) * wanted / read, NEUTRAL * wanted / NEUTRAL_TOKENS
    neutral = neutral_rows(model, math.ceil(texts), rng, until=until)
    conflicting = conflicting_rows(
        model, template, chunks, answered.examples, math.ceil(count), rng, until=until, window=WINDOW
    )
    return [*conflicting, *neutral]
