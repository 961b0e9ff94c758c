"""What a run has worked out so far, in a folder: a run that is killed asks, answers and trains nothing twice."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

from torch import Tensor

from inweights.cache import Cache, Tables
from inweights.context.qa_tokens import Question, TeacherAnswer
from inweights.context.training_rows import Row, row_of
from inweights.engine.trees import Tree
from inweights.scoring.completions import Completion
from inweights.scoring.teacher_logprobs import TeacherLogprobs


@dataclass(frozen=True)
class TeacherAnswers:
    """Questions with the teacher's answers, its log-probabilities at every token of them, and the bare model's KL."""

    examples: tuple[TeacherAnswer, ...]
    logprobs: tuple[TeacherLogprobs, ...]
    bare: tuple[float, ...]
    """KL(teacher || bare model) of each example, in nats, added up over its answer."""


@dataclass(frozen=True)
class Store:
    folder: Path

    def questions(self, key: object, make: Callable[[], Sequence[Question]]) -> list[Question]:
        rows = Cache(self.folder / "questions").values(key, lambda: [asdict(each) for each in make()])
        return [Question(**each) for each in rows]

    def teacher_answers(
        self, key: object, questions: Sequence[Question], make: Callable[[], TeacherAnswers]
    ) -> TeacherAnswers:
        """Answers to `questions`; those to which the teacher answers nothing are left out."""
        tables = Cache(self.folder / "told").tables(key, lambda: _packed(make(), questions))
        found = []
        for number, with_context, alone, answer in tables.values["lessons"]:
            ids = tuple(answer)
            both = Completion(tuple(with_context), ids), Completion(tuple(alone), ids)
            found.append(TeacherAnswer(questions[number], *both))
        return TeacherAnswers(tuple(found), tuple(_logprobs(tables.tensors)), tuple(tables.values["bare"]))

    def rows(self, key: object, make: Callable[[], Sequence[Row]]) -> list[Row]:
        def packed() -> Tables:
            made = make()
            return Tables(_tensors([each.logprobs for each in made]), [(*astuple(each.tree), each.firsts) for each in made])

        tables = Cache(self.folder / "replay").tables(key, packed)
        return [
            row_of(Tree(tuple(stem), tuple(map(tuple, branches)), tuple(reads)), each, tuple(firsts))
            for (stem, branches, reads, firsts), each in zip(tables.values, _logprobs(tables.tensors), strict=True)
        ]


def _packed(answers: TeacherAnswers, questions: Sequence[Question]) -> Tables:
    numbers = {question: number for number, question in enumerate(questions)}
    values = {
        "lessons": [
            [numbers[each.question], each.with_context.prompt_ids, each.alone.prompt_ids, each.with_context.completion_ids]
            for each in answers.examples
        ],
        "bare": answers.bare,
    }
    return Tables(_tensors(answers.logprobs), values)


def _tensors(tables: Sequence[TeacherLogprobs]) -> tuple[Tensor, ...]:
    """Token ids and log-probabilities in turn."""
    found: list[Tensor] = []
    for each in tables:
        assert each.ids is not None, "only truncated distributions are kept"
        found += [each.ids, each.log_probs]
    return tuple(found)


def _logprobs(tensors: Sequence[Tensor]) -> list[TeacherLogprobs]:
    return [TeacherLogprobs(*pair) for pair in zip(tensors[::2], tensors[1::2], strict=True)]
