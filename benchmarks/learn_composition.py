"""Two prefixes learnt apart, put end to end in front of one question, beside each in front of questions about its own."""

from dataclasses import replace

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.composition import composed
from benchmarks.learn import KV, learn_one, row
from benchmarks.learn_made import Document, every_question, made
from benchmarks.learn_measured import Side
from inweights.context.systems import learned_system, respond
from inweights.context.template import template_of
from inweights.context.train import LearnedContext
from inweights.models import load


def together(options: Options, goal: Goal) -> list[Row]:
    model = load("embedded")
    facts, settings = (6, replace(KV, epochs=2, size=4)) if options.quick else (20, KV)
    documents = [made(facts, seed) for seed in (100, 101)]
    asked = every_question()[:: 7 if options.quick else 1]
    parts = [learn_one(model, each, settings, asked).learned for each in documents]
    both = composed(model, parts)
    sides = [Side(_right(both, each), _right(part, each)) for part, each in zip(parts, documents, strict=True)]
    more = {"variant": "facts answered", "first": vars(sides[0]), "second": vars(sides[1])}
    return [row(f"2 x {facts} facts", sides, goal.here, more)]


def _right(learned: LearnedContext, document: Document) -> float:
    questions = [each for each in document.tests if each.kind != "absent"]
    right = respond(learned_system("", learned), template_of(load("embedded")), questions, "exact-match").scores
    return sum(right) / len(right)


BENCHMARKS = (
    Benchmark(
        "learn-composition",
        "two prefixes learnt apart and put end to end, beside each alone",
        Goal(0.95, 0.95, ratio="ours / peer"),
        together,
    ),
)
