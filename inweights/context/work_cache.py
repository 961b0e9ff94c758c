"""What a run has worked out so far, in a folder: a run that is killed asks, answers and trains nothing twice.

Every file is named by a digest of all it follows from, so that nothing stale can be taken up, and is whole or not there.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from inweights.context.qa_tokens import Question, TeacherAnswer
from inweights.context.training_rows import Row, row_of
from inweights.engine.trees import Tree
from inweights.records import write_whole
from inweights.scoring.completions import Completion
from inweights.scoring.teacher_logprobs import TeacherLogprobs


@dataclass(frozen=True)
class TeacherAnswers:
    """Lessons with what the teacher said at every token of their answers, and what the bare model says there."""

    lessons: tuple[TeacherAnswer, ...]
    told: tuple[TeacherLogprobs, ...]
    bare: tuple[float, ...]
    """KL(teacher || bare model) of each lesson, in nats, added up over its answer."""


@dataclass(frozen=True)
class Store:
    folder: Path

    def questions(self, key: object, make: Callable[[], Sequence[Question]]) -> list[Question]:
        path = self.folder / "questions" / f"{digest(key)}.json"
        if path.is_file():
            return [Question(**each) for each in json.loads(path.read_text(encoding="utf-8"))]
        made = list(make())
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, json.dumps([asdict(each) for each in made], ensure_ascii=False))
        return made

    def teacher_answers(
        self, key: object, questions: Sequence[Question], make: Callable[[], TeacherAnswers]
    ) -> TeacherAnswers:
        """Lessons of `questions`; those the teacher had nothing to say to are left out of them."""
        path = self.folder / "told" / f"{digest(key)}.safetensors"
        if not path.is_file():
            made = make()
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, _packed(made, questions))
        return _unpacked(path, questions)

    def rows(self, key: object, make: Callable[[], Sequence[Row]]) -> list[Row]:
        path = self.folder / "replay" / f"{digest(key)}.safetensors"
        if not path.is_file():
            made = make()
            path.parent.mkdir(parents=True, exist_ok=True)
            values = [(*astuple(each.tree), each.firsts) for each in made]
            write_whole(path, _with_told(values, [each.told for each in made]))
        found, told = _and_told(path)
        return [
            row_of(Tree(tuple(stem), tuple(map(tuple, branches)), tuple(reads)), each, tuple(firsts))
            for (stem, branches, reads, firsts), each in zip(found, told, strict=True)
        ]


def digest(key: object) -> str:
    return hashlib.sha256(repr(key).encode()).hexdigest()[:24]


def _packed(teacher_answers: TeacherAnswers, questions: Sequence[Question]) -> bytes:
    numbers = {question: number for number, question in enumerate(questions)}
    values = {
        "lessons": [
            [numbers[each.question], each.behind.prompt_ids, each.alone.prompt_ids, each.behind.completion_ids]
            for each in teacher_answers.lessons
        ],
        "bare": teacher_answers.bare,
    }
    return _with_told(values, teacher_answers.told)


def _unpacked(path: Path, questions: Sequence[Question]) -> TeacherAnswers:
    values, told = _and_told(path)
    lessons = []
    for number, behind, alone, answer in values["lessons"]:
        ids = tuple(answer)
        lessons.append(TeacherAnswer(questions[number], Completion(tuple(behind), ids), Completion(tuple(alone), ids)))
    return TeacherAnswers(tuple(lessons), tuple(told), tuple(values["bare"]))


def _with_told(values: object, told: Sequence[TeacherLogprobs]) -> bytes:
    from safetensors.torch import save

    tensors: dict[str, Tensor] = {}
    for number, each in enumerate(told):
        assert each.ids is not None, "only truncated distributions are kept"
        tensors[f"{number}.ids"] = each.ids.contiguous().clone()
        tensors[f"{number}.log_probs"] = each.log_probs.contiguous().clone()
    packed: bytes = save(tensors, {"values": json.dumps(values), "count": str(len(told))})
    return packed


def _and_told(path: Path) -> tuple[Any, list[TeacherLogprobs]]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        plain = file.metadata()
        told = [
            TeacherLogprobs(file.get_tensor(f"{i}.ids"), file.get_tensor(f"{i}.log_probs"))
            for i in range(int(plain["count"]))
        ]
    return json.loads(plain["values"]), told
