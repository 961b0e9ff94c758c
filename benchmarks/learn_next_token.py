"""A document of facts distilled, beside the same LoRA trained on its text token by token, which reads as many tokens.

Accuracy on the facts lies between the bare model's, 0, and that with the document in the prompt, 1. What fine-tuning on
the teacher's answers alone recovers, without its distributions and without replay, is in the record too.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.learn import LORA, learn_one
from benchmarks.learn_made import every_question, made
from inweights.context.metrics import gap_recovered
from inweights.context.settings import Settings
from inweights.context.systems import System, learned_system, respond
from inweights.context.template import template_of
from inweights.context.trained_baselines import next_token, sft
from inweights.context.training_mix import select_answers
from inweights.models import load

LEAST = 0.01
"""Where the text alone has taught less than this, or has harmed, the ratio is to this."""


def beside_next_token(options: Options, goal: Goal) -> list[Row]:
    count, settings = (6, replace(LORA, epochs=2)) if options.quick else (20, LORA)
    found = recovered(count, settings, step=7 if options.quick else 1)
    ours, peer = found["distilled"], found["next-token"]
    more = {"accuracy_gap_recovered": found, "least_of_peer": LEAST}
    return [Row(f"{count} facts", ours, peer, "of 1", ours / max(peer, LEAST), goal.here, goal.better, 1, more)]


def recovered(count: int, settings: Settings, step: int) -> dict[str, float]:
    """By name: the accuracy gap recovered on what the document says, in both wordings."""
    model, document = load("embedded"), made(count, 0)
    template = template_of(model)
    outcome = learn_one(model, document, settings, every_question()[::step])
    lessons = select_answers(outcome.answers, outcome.answers.bare, settings)
    reads = settings.epochs * sum(len(each.alone.tree) for each in lessons.examples)
    learned = {
        "distilled": outcome.learned,
        "next-token": next_token(model, document.chunks, settings, reads, math.inf),
        "sft": sft(model, document.chunks, lessons, settings, math.inf),
    }
    asked = [each for each in document.tests if each.kind != "absent"]

    def right(system: System) -> Sequence[float]:
        return respond(system, template, asked, "exact-match").scores

    bare = right(System("alone", model))
    teacher = right(System("icl", model).with_context(document.chunks))
    shares = {name: gap_recovered(bare, teacher, right(learned_system(name, each))).value for name, each in learned.items()}
    return {name: share if share is not None else 0.0 for name, share in shares.items()}


BENCHMARKS = (
    Benchmark(
        "learn-next-token",
        "the share of a document's facts that distilling recovers, over what next-token training does",
        Goal(5, 5, ratio="ours / peer"),
        beside_next_token,
    ),
)
