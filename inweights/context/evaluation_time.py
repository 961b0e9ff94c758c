"""How many questions can be measured in the time that is left, and which systems."""

import math
import time
from collections.abc import Mapping, Sequence

from inweights.context.chunks import Chunk
from inweights.context.evaluation_sets import MAXIMUM
from inweights.context.qa_tokens import Question
from inweights.context.systems import System, respond
from inweights.context.template import Template
from inweights.models.base import Backbone

PASSES = 8
"""Times that a question is answered: alone, by the teacher and its divergences, by the student twice, by rivals."""
SAMPLE = 4
"""Questions that are answered once to see how long it takes; the minimum of an evaluation set."""


def affordable(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    available: Mapping[str, Sequence[Question]],
    until: float,
) -> int:
    """Questions of an evaluation set. `until`: on time.monotonic()."""
    questions = next(iter(available.values()), ())[:SAMPLE]
    if math.isinf(until) or not questions:
        return MAXIMUM
    started = time.monotonic()
    respond(System("", model).with_context(chunks), template, questions, "contained")
    each = (time.monotonic() - started) / len(questions)
    return max(SAMPLE, min(MAXIMUM, int((until - time.monotonic()) / (PASSES * len(available) * each))))


def in_time(until: float) -> bool:
    return time.monotonic() < until
