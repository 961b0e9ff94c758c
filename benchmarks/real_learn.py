"""What `inweights learn` makes of documents on pretrained models, with the settings that a user gets.

The manual is about an invented product: 26 facts, each asked in three wordings to learn by, with its answer, and in a
fourth to be measured. For a story and a dialogue published questions are learned by, with their answers, and measured
again: no other wording of them is published.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row
from inweights.context.qa_tokens import Question
from inweights.context.questions import from_file
from inweights.context.settings import Settings
from inweights.learn_records import TEACHER, LearnReport
from inweights.learning.inputs import read_inputs
from inweights.learning.pipeline import learn_into
from inweights.learning.request import LearnRequest
from inweights.report.learn_scores import interval
from inweights.types import UserError

DATA = Path(__file__).parent / "data"
STORY, SESSION = "finn-the-giant-and-the-minister-of-lund", 1
STUDENT = "distilled (lora)"
SHARE = Goal(0.9, 0.9, ratio="ours / peer")


@dataclass(frozen=True)
class Case:
    """A context with questions to learn by and to be measured on."""

    name: str
    source: Path
    queries: tuple[Question, ...]
    tests: tuple[Question, ...]


def manual(folder: Path, options: Options) -> Case:
    asked, measured = (tuple(from_file(DATA / f"manual-{name}.jsonl")) for name in ("queries", "test"))
    return Case("manual", DATA / "manual.md", asked, measured)


def story(folder: Path, options: Options) -> Case:
    for line in _published(options, "dev.jsonl").read_text(encoding="utf-8").splitlines():
        told = json.loads(line)
        if told["story_name"] == STORY:
            source = folder / "story.txt"
            source.write_text("\n\n".join(told["sections"]), encoding="utf-8")
            asked = tuple(Question(each["question"], gold=each["answers"][0]) for each in told["questions"])
            return Case("FairytaleQA story", source, asked, asked)
    raise UserError(f"dev.jsonl has no story {STORY}: expected the published file of FairytaleQA")


def dialogue(folder: Path, options: Options) -> Case:
    """One session of a dialogue, and the published questions whose evidence is in it alone."""
    path = _published(options, "dialogues_3.jsonl")
    told = json.loads(path.read_text(encoding="utf-8").splitlines()[0])
    source = folder / "dialogue.jsonl"
    own = [each for each in told["sessions"] if each["session"] == SESSION]
    source.write_text(json.dumps(told | {"sessions": own, "qa": []}), encoding="utf-8")
    within = [
        each for each in told["qa"] if "answer" in each and each["evidence"] and all(map(_in_session, each["evidence"]))
    ]
    asked = tuple(Question(each["question"], gold=str(each["answer"])) for each in within)
    return Case("LoCoMo session", source, asked, asked)


def _in_session(evidence: str) -> bool:
    return evidence.startswith(f"D{SESSION}:")


def _published(options: Options, name: str) -> Path:
    found = sorted(options.data.rglob(name)) if options.data else []
    if not found:
        raise UserError(f"expected --data DIR with {name} in it or below it")
    return found[0]


def learned(case_of: Callable[[Path, Options], Case], model: str, options: Options, goal: Goal) -> list[Row]:
    """A row for the share of the teacher's right answers that the student has, and one for each thing it must not cost."""
    if options.models is None or not (options.models / model).is_dir():
        raise UserError(f"expected --models DIR with {model} in it")
    with TemporaryDirectory() as place:
        case = case_of(Path(place), options)
        settings = Settings()
        if options.quick:
            case, settings = replace(case, queries=case.queries[:6], tests=case.tests[:3]), replace(settings, steps=2)
        inputs = read_inputs(str(options.models / model), [str(case.source)])
        request = LearnRequest(settings=settings, queries=case.queries, tests=case.tests)
        started = time.monotonic()
        report = learn_into(Path(place) / "learned", inputs, request, partial(print, flush=True))
        seconds = time.monotonic() - started
    return _rows(f"{model}, {case.name}", report, seconds, goal)


def _rows(shape: str, report: LearnReport, seconds: float, goal: Goal) -> list[Row]:
    name = report.primary
    form = report.forms["lora"]
    scores = {system: each.outcomes[name].scores for system, each in report.systems.items()}
    alone, teacher, student = (scores[system] for system in ("alone", TEACHER, STUDENT))
    taught = [s for t, s in zip(teacher, student, strict=True) if t == 1]
    again = report.systems[STUDENT].with_context[name].scores
    more: dict[str, Any] = {
        "questions": report.questions,
        "metric": report.sets[name].metric,
        "scores": {system: _scored(each) for system, each in scores.items()},
        "with_the_context_again": _scored(again),
        "teacher_right": len(taught),
        "information": asdict(form.information),
        "collateral": asdict(form.collateral),
        "seconds": dict(form.seconds) | {"evaluation": report.evaluation_seconds, "all": seconds},
        "peak_bytes_above_the_model": report.peak_bytes,
        "tokens": report.tokens,
        "answers": [
            {"question": question, "gold": gold, "teacher": theirs, "student": ours}
            for question, gold, theirs, ours in zip(
                report.sets[name].questions,
                report.systems[STUDENT].outcomes[name].gold,
                report.systems[TEACHER].outcomes[name].answers,
                report.systems[STUDENT].outcomes[name].answers,
                strict=True,
            )
        ],
    }
    share = mean(taught) if taught else 0.0
    read = form.collateral.contexts_read or 0.0
    rest = ("higher", 1)
    return [
        Row(
            shape, share, 1.0, "of 1", share, goal.here, *rest, {"variant": "share of what the teacher answers right"} | more
        ),
        Row(
            shape,
            mean(student),
            mean(teacher),
            "of 1",
            mean(student),
            0.7,
            *rest,
            {"variant": "right", "alone": mean(alone)},
        ),
        Row(shape, mean(again), mean(student), "of 1", mean(again), 0.7, *rest, {"variant": "right, context in the prompt"}),
        Row(shape, read, 1.0, "of 1", read, 0.85, *rest, {"variant": "other contexts read as before"}),
        Row(shape, seconds, 600.0, "seconds", seconds / 600, 1.0, "lower", 1, {"variant": "all, measuring included"}),
    ]


def _scored(scores: Sequence[float]) -> dict[str, float | None]:
    found = interval(scores)
    return {"mean": mean(scores), "low": found.low if found else None, "high": found.high if found else None}


BENCHMARKS = tuple(
    Benchmark(name, f"`learn` by given questions with its defaults: {about}", SHARE, partial(learned, case, model))
    for name, about, case, model in (
        ("real-learn", "a manual of 450 tokens, SmolLM2-135M-Instruct", manual, "smollm2-135m-instruct"),
        ("real-learn-story", "a story of FairytaleQA, SmolLM2-135M-Instruct", story, "smollm2-135m-instruct"),
        ("real-learn-dialogue", "a session of LoCoMo, SmolLM2-135M-Instruct", dialogue, "smollm2-135m-instruct"),
        ("real-learn-gemma", "a manual of 450 tokens, Gemma-3-270M", manual, "gemma-3-270m"),
    )
)
