"""Documents of made facts learnt by the embedded model, as a LoRA and as a key/value prefix an eighth as long as they are.

Every question that there is about a deed is asked, in two wordings, as a user's own queries without answers. What is
known afterwards stands beside the model with the right piece of the document in its prompt.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.learn_made import Document, every_question, made
from benchmarks.learn_measured import Side, by_kind, byte_counts, known
from benchmarks.learn_withheld import withheld
from inweights.context.learn import LearningResult, learn
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.systems import learned_system
from inweights.context.template import template_of
from inweights.models import load
from inweights.models.base import Backbone

DOCUMENTS = {20: 3, 60: 1, 200: 1}
"""How many of each number of facts."""
LORA = Settings(lr=0.004, batch_tokens=1024, epochs=30, replay=0.4, held_out=0)
KV = Settings("kv", size=15, lr=0.05, batch_tokens=1024, epochs=80, replay=0.3, held_out=0)
# Chosen on other documents than those measured here. A prefix has an eighth of its document's tokens.
MANY = replace(LORA, replay=0.3, known=1)
LORAS = {20: LORA, 60: replace(LORA, batch_tokens=2048), 200: MANY}
MANY_KV = replace(KV, epochs=60, replay=0.2, known=2)
PREFIXES = {20: KV, 60: replace(MANY_KV, size=45), 200: replace(MANY_KV, size=151)}
GOALS = {"absent": 0.9, **dict.fromkeys(("worded", "paraphrased", "new contexts", "conflicting contexts"), 0.95)}
"""Of all figures but the information, whose goal is the benchmark's own."""


@dataclass(frozen=True)
class Measured:
    """One document that has been learnt."""

    sides: Mapping[str, Side]
    seconds: Mapping[str, float]
    byte_counts: Mapping[str, int]


def learned(settings: Mapping[int, Settings], options: Options, goal: Goal) -> list[Row]:
    model = load("embedded")
    if options.quick:
        few = replace(settings[20], epochs=2, size=4)
        return _rows("6 facts", goal, [_measured(model, made(6, 0), few, every_question()[::7])], {})
    rows = []
    for count, documents in DOCUMENTS.items():
        seeds = range(options.repeats or documents)
        found = [_measured(model, made(count, seed), settings[count], every_question()) for seed in seeds]
        more = _never_asked(model, settings[count]) if count == 20 else {}
        rows += _rows(f"{count} facts", goal, found, more)
    return rows


def learn_one(model: Backbone, document: Document, settings: Settings, asked: Sequence[Question]) -> LearningResult:
    """In a folder that is gone afterwards: nothing is taken up from an earlier run."""
    with TemporaryDirectory() as folder:
        return learn(model, template_of(model), document.chunks, settings, Path(folder), queries=asked)


def row(shape: str, sides: Sequence[Side], goal: float, more: Mapping[str, Any]) -> Row:
    """Means over the documents."""
    ours, peer = mean(each.ours for each in sides), mean(each.peer for each in sides)
    return Row(shape, ours, peer, "of 1", ours / max(peer, 0.01), goal, "higher", len(sides), more)


def _measured(model: Backbone, document: Document, settings: Settings, asked: Sequence[Question]) -> Measured:
    outcome = learn_one(model, document, settings, asked)
    sides = known(model, template_of(model), document, outcome.learned)
    return Measured(sides, outcome.seconds, byte_counts(model, document, outcome.learned))


def _rows(shape: str, goal: Goal, found: Sequence[Measured], more: Mapping[str, Any]) -> list[Row]:
    """One for each figure; what is true of the whole document is said beside its information."""
    phases = {name: mean(each.seconds[name] for each in found) for name in found[0].seconds}
    rows = []
    for what in found[0].sides:
        sides = [each.sides[what] for each in found]
        beside = {"seconds_by_phase": phases, **found[0].byte_counts, **more} if what == "information" else {}
        beside = {"variant": what, "documents": [each.ours for each in sides], **beside}
        rows.append(row(shape, sides, GOALS.get(what, goal.here), beside))
    return rows


def _never_asked(model: Backbone, settings: Settings) -> dict[str, Any]:
    """Right answers to what no question was about; no goal is set for it."""
    document = made(20, seed=len(range(DOCUMENTS[20])))
    held = withheld(document, seed=0)
    outcome = learn_one(model, document, settings, held.asked)
    right = by_kind(learned_system("distilled", outcome.learned), template_of(model), held.tests)
    return {"right_where_never_asked": right, "questions_never_asked": len(held.tests)}


BENCHMARKS = (
    Benchmark(
        "learn-lora",
        "documents of 20, 60 and 200 facts learnt as a LoRA, beside the model with them in its prompt",
        Goal(0.95, 0.95, ratio="ours / peer"),
        partial(learned, LORAS),
    ),
    Benchmark(
        "learn-kv",
        "the same learnt as a key/value prefix an eighth as long as the document",
        Goal(0.9, 0.9, ratio="ours / peer"),
        partial(learned, PREFIXES),
    ),
)
