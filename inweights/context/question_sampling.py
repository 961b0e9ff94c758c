"""Which questions a context is learnt by: a user's, or the model's own, more of them where least is known yet."""

import hashlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question
from inweights.context.question_writing import written
from inweights.context.questions import normal
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.models.base import Backbone
from inweights.types import UserError

LESSON_TOKENS = 48
"""Of a question with its answer, before any has been seen."""
ENOUGH_TO_HOLD_OUT, HELD_OUT = 20, 5
"""From the first number of questions on, at least the second number is held out."""
AT_ONCE = 32
"""Questions that are asked about one piece before the next has its turn."""


@dataclass(frozen=True)
class Asked:
    """Questions to learn by, and others that nothing is trained on."""

    learned: tuple[Question, ...] = ()
    held_out: tuple[Question, ...] = ()

    @property
    def all(self) -> tuple[Question, ...]:
        return self.learned + self.held_out


def split_held_out(questions: Sequence[Question], share: float) -> Asked:
    """By a digest of each text, so that a question falls on the same side whenever it comes up again."""
    unlike = list({(normal(each.text), each.chunk): each for each in reversed(questions)}.values())[::-1]
    bound = share
    if share and len(unlike) >= ENOUGH_TO_HOLD_OUT:
        bound = max(share, sorted(map(_draw, unlike))[HELD_OUT])
    out = [each for each in unlike if _draw(each) < bound]
    return Asked(tuple(each for each in unlike if _draw(each) >= bound), tuple(out))


def _draw(question: Question) -> float:
    return int(hashlib.sha256(normal(question.text).encode()).hexdigest()[:8], 16) / 16**8


def question_counts(effort: float, tokens: Sequence[float]) -> list[int]:
    """How many questions a level of effort asks about pieces of so many tokens: what is forecast, and what is asked."""
    return [math.ceil(round(effort * size / LESSON_TOKENS, 6)) for size in tokens]


def own_questions(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    tokens: Sequence[float],
    store: Store,
    seed: int,
    known: Sequence[Question] = (),
    until: float = math.inf,
    say: Callable[[str], None] = lambda text: None,
) -> list[Question]:
    """The model's own questions about every piece, as many as make up `tokens` of questions and answers for each.

    `until`: on time.monotonic(); after it no piece is asked about that has been once. Raises UserError where the
    model writes no usable question at all.
    """
    wanted = question_counts(1.0, tokens)
    found: list[list[Question]] = [[] for _ in chunks]
    before = [[each.text for each in known if each.chunk == number] for number in range(len(chunks))]
    dry: set[int] = set()
    for turn in range(math.ceil(max(wanted) / AT_ONCE)):
        for number, chunk in enumerate(chunks):
            count = min(AT_ONCE, wanted[number] - len(found[number]))
            if count < 1 or number in dry or (turn and time.monotonic() > until):
                continue
            said = [*before[number], *(each.text for each in found[number])]
            key = (model.card.digest, model.card.dtype, template.digest, chunk.digest, seed, count, said)

            def make(
                chunk: Chunk = chunk, number: int = number, count: int = count, said: list[str] = said
            ) -> list[Question]:
                return written(model, template, chunk, number, count, seed, said)

            new = store.questions(key, make)
            found[number] += new
            if not new:
                dry.add(number)  # a model that runs out of questions is not asked for ever
        say(f"{sum(map(len, found)):,} questions asked about {len(chunks)} pieces")
    if not any(found) and not known:
        raise UserError(
            f"{model.card.name} wrote no usable question about the context: give --queries with your own, "
            "or take a model that follows instructions"
        )
    return [each for part in found for each in part]
