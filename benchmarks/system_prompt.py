"""A system prompt of six rules learned by real models with the defaults, and how far the student agrees with the prompted
model on 50 messages that nothing was trained on: R_KL, and the first sentence of greedy answers."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row
from benchmarks.real import shapes
from inweights.context.chunks import chunk_of_whole
from inweights.context.learn import learn
from inweights.context.metrics import information_recovered
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.systems import System, learned_system
from inweights.context.teacher import teacher_answers_of, teacher_kl
from inweights.context.template import system_template_of
from inweights.metrics import normalized
from inweights.models import load
from inweights.sources import read_sources

FOLDER = Path(__file__).parent / "data"
FIRST_SENTENCE_GOAL = 0.7


def run(options: Options, goal: Goal) -> list[Row]:
    rows = []
    for shape in shapes(options):
        rows += _rows(shape.name, str(shape.place), options, goal)
    return rows


def _rows(name: str, place: str, options: Options, goal: Goal) -> list[Row]:
    model = load(place)
    template = system_template_of(model)
    prompt = chunk_of_whole(read_sources([FOLDER / "system_prompt.txt"], "system"))
    texts = (FOLDER / "system_messages.txt").read_text(encoding="utf-8").splitlines()
    messages = [Question(text, 0) for text in texts][: 4 if options.quick else None]
    settings = Settings(effort=1.0, steps=2) if options.quick else Settings()
    with TemporaryDirectory() as folder:
        result = learn(model, template, [prompt], settings, Path(folder), say=_say)
    answered = teacher_answers_of(model, template, prompt.text, messages)
    information = information_recovered(answered.bare, teacher_kl(result.learned, answered))
    systems = (
        System("teacher", model).with_context([prompt]),
        learned_system("student", result.learned),
        System("alone", model),
    )
    said = {each.name: each.answers(template, messages) for each in systems}
    alike = {name: _agreement(said["teacher"], said[name]) for name in ("student", "alone")}
    samples = [dict(zip(("message", *said), each, strict=True)) for each in zip(texts, *said.values(), strict=False)]
    more: dict[str, Any] = {
        "information": asdict(information),
        "first_sentence_alone": alike["alone"],
        "answers": len(result.answers.examples),
        "questions": [each.question.text for each in result.answers.examples],
        "seconds": result.seconds,
        "samples": samples,
    }
    share = information.value or 0.0
    first = (alike["student"], 1.0, "of 1", alike["student"], FIRST_SENTENCE_GOAL, goal.better, len(messages))
    return [
        Row(name, share, 1.0, "of 1", share, goal.here, goal.better, len(messages), {"variant": "R_KL", **more}),
        Row(name, *first, {"variant": "first sentence equal"}),
    ]


def _agreement(teacher: Sequence[str], other: Sequence[str]) -> float:
    pairs = list(zip(teacher, other, strict=True))
    return sum(first_sentence(one) == first_sentence(two) for one, two in pairs) / len(pairs)


def first_sentence(text: str) -> str:
    """Normalised, so that case and punctuation do not count."""
    return normalized(re.split(r"(?<=[.!?])\s|\n", text.strip(), maxsplit=1)[0])


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


BENCHMARKS = (
    Benchmark(
        "real-system-prompt",
        "a system prompt of six rules: agreement with the prompted model on 50 held-out messages",
        Goal(0.8, 0.8, ratio="ours / peer"),
        run,
    ),
)
