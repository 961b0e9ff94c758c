"""A truly trained small model and real stories: half of a story's questions are learnt by, the other half is measured.

stories260K is lent by `models/` beside the folder of the data. Held-out questions are about what may never have been
asked, and the teacher is the ceiling: where the story in the prompt does not help, the advice is not to distil. What
was learnt from another story stands beside it: what that recovers as well is how stories sound, not what this one says.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.bench import Benchmark, Goal, Options, Row
from inweights.context.chunks import Chunk, chunks_of
from inweights.context.learn import LearningResult, learn
from inweights.context.metrics import gap_recovered
from inweights.context.probe import probe
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.systems import System, gold_log_probs, learned_system
from inweights.context.teacher import assign_chunks
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.models import load
from inweights.models.base import Backbone
from inweights.sources.types import Context, Section
from inweights.types import UserError

TEMPLATE = Template("{context}\n\nQuestion: {question}\nAnswer:", answer_tokens=16)
"""Without marks around the text: of a window of 512 tokens they would take a fifth."""
SETTINGS = Settings(lr=0.002, epochs=20, batch_tokens=4096, replay=0.25, held_out=0)
STORIES = 5


@dataclass(frozen=True)
class Story:
    name: str
    chunks: tuple[Chunk, ...]
    asked: tuple[Question, ...]
    held_out: tuple[Question, ...]


def stories(options: Options, goal: Goal) -> list[Row]:
    folder = options.data
    if folder is None or not (folder / "dev.jsonl").is_file():
        raise UserError("expected --data DIR with dev.jsonl of FairytaleQA")
    model = load(str(_model(folder)))
    lines = (folder / "dev.jsonl").read_text(encoding="utf-8").splitlines()
    told = [_story(model, json.loads(line)) for line in lines[: 2 if options.quick else STORIES]]
    settings = replace(SETTINGS, epochs=1) if options.quick else SETTINGS
    learned = [_learnt(model, story, settings) for story in told]
    others = [*learned[1:], learned[0]]
    sides: dict[str, list[float]] = {}
    for story, (outcome, _), (other, _) in zip(told, learned, others, strict=True):
        for system in _systems(model, story, outcome, other):
            queries = [system.query(TEMPLATE, each) for each in story.held_out]
            sides.setdefault(system.name, []).extend(gold_log_probs(system.model, TEMPLATE, queries))
    noted = [each for _, each in learned]
    more: dict[str, Any] = {
        "gold_nll": {name: -mean(values) for name, values in sides.items()},
        "information_nats_per_token": mean(each["information"] for each in noted),
        "advice": [each["advice"] for each in noted],
        "note": "share of the NLL of held-out gold answers that the story in the prompt saves; 0 where it saves none",
    }
    shares = {name: gap_recovered(sides["alone"], sides["icl"], sides[name]) for name in ("distilled", "another's")}
    ours, peer = (each.value or 0.0 for each in shares.values())
    shape, rest = f"stories260K, {len(told)} stories", (goal.here, goal.better, len(told))
    about = more | {"recovered": {name: asdict(each) for name, each in shares.items()}, "stories": noted}
    return [
        Row(shape, ours, 1.0, "of 1", ours, *rest, {"variant": "gold answers", **about}),
        # The difference: where it is near 0, the row above says nothing of what is known about a story.
        Row(shape, ours, peer, "of 1", ours - peer, *rest, {"variant": "less another story's", **more}),
    ]


def _learnt(model: Backbone, story: Story, settings: Settings) -> tuple[LearningResult, dict[str, Any]]:
    """The story learnt by the questions asked, and what is said of it beforehand."""
    with TemporaryDirectory() as place:
        said = probe(model, TEMPLATE, story.chunks, settings, Store(Path(place)), story.asked, story.held_out)
        outcome = learn(model, TEMPLATE, story.chunks, settings, Path(place), queries=story.asked)
    about = {name: said[name] for name in ("tokens", "pieces", "information", "accuracy", "advice")}
    return outcome, {"story": story.name, **about, "seconds_by_phase": outcome.seconds}


def _systems(model: Backbone, story: Story, own: LearningResult, other: LearningResult) -> list[System]:
    return [
        System("alone", model),
        System("icl", model).with_context(story.chunks),
        learned_system("distilled", own.learned),
        learned_system("another's", other.learned),
    ]


def _story(model: Backbone, told: dict[str, Any]) -> Story:
    sections = tuple(Section(text, source=told["story_name"]) for text in told["sections"])
    chunks = chunks_of(model, Context(sections), tokens=400)
    questions = [Question(each["question"], gold=each["answers"][0]) for each in told["questions"]]
    found = assign_chunks(model, TEMPLATE, chunks, questions)
    return Story(told["story_name"], tuple(chunks), tuple(found[::2]), tuple(found[1::2]))


def _model(folder: Path) -> Path:
    places = [parent / "models" / "stories260K" for parent in folder.resolve().parents]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise UserError(f"expected the model in models/stories260K beside {folder} or in a folder above it")
    return found


BENCHMARKS = (
    Benchmark(
        "learn-real",
        "FairytaleQA stories learnt by stories260K: the gold answers' NLL recovered on held-out questions",
        Goal(0.5, 0.5, ratio="ours / peer"),
        stories,
    ),
)
