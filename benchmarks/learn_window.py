"""A document four times as long as the model's window, learnt piece by piece: no prompt could hold it."""

from dataclasses import replace
from statistics import mean
from typing import Any, cast

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.learn import MANY, learn_one, row
from benchmarks.learn_made import every_question, made
from benchmarks.learn_measured import Side, by_kind
from inweights.context.systems import learned_system
from inweights.context.template import template_of
from inweights.models import load


def beyond_the_window(options: Options, goal: Goal) -> list[Row]:
    count, window = (88, 132) if options.quick else (340, 512)
    whole = cast(Any, load("embedded"))
    model = replace(whole, card=replace(whole.card, max_tokens=window))
    document = made(count, 0)
    tokens = sum(len(ids) - 1 for ids in model.encode([chunk.text for chunk in document.chunks]))
    settings = replace(MANY, epochs=2) if options.quick else MANY
    outcome = learn_one(model, document, settings, every_question()[:: 7 if options.quick else 1])
    right = by_kind(learned_system("distilled", outcome.learned), template_of(model), document.tests)
    answered = Side(mean([right["worded"], right["paraphrased"]]), 1.0)
    more = {"context_tokens": tokens, "window": window, "right": right, "seconds_by_phase": outcome.seconds}
    return [row(f"{tokens:,} tokens, window of {window}", [answered], goal.here, more)]


BENCHMARKS = (
    Benchmark(
        "learn-window",
        "questions answered about a document four times as long as the window, learnt as a LoRA",
        Goal(0.85, 0.85, ratio="ours / peer"),
        beyond_the_window,
    ),
)
