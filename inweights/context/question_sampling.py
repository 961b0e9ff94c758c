"""Which questions a context is learnt by: a user's, or the model's own, more of them where least is known yet."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question
from inweights.context.question_turns import AT_ONCE, Writing, first_counts, question_counts
from inweights.context.questions import draw, normal
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.models.base import Backbone
from inweights.types import UserError

ENOUGH_TO_HOLD_OUT, HELD_OUT = 20, 5
"""From the first number of questions on, at least the second number is held out."""


@dataclass(frozen=True)
class QuestionSplit:
    """Questions to learn by, and others that nothing is trained on."""

    learned: tuple[Question, ...] = ()
    held_out: tuple[Question, ...] = ()

    @property
    def all(self) -> tuple[Question, ...]:
        return self.learned + self.held_out


def split_held_out(questions: Sequence[Question], share: float) -> QuestionSplit:
    """By a digest of each text, so that a question falls on the same side whenever it comes up again."""
    unlike = list({(normal(each.text), each.chunk): each for each in reversed(questions)}.values())[::-1]
    bound = share
    if share and len(unlike) >= ENOUGH_TO_HOLD_OUT:
        bound = max(share, sorted(draw(each.text) for each in unlike)[HELD_OUT])
    out = [each for each in unlike if draw(each.text) < bound]
    return QuestionSplit(tuple(each for each in unlike if draw(each.text) >= bound), tuple(out))


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
    turns: float = math.inf,
) -> list[Question]:
    """The model's own questions about every piece, as many as make up `tokens` of questions and answers for each.

    `until`: on time.monotonic(); after it no piece is asked about that has been once. `turns`: their maximum. Raises
    UserError where the model writes no usable question at all.
    """
    before = [[each.text for each in known if each.chunk == number] for number in range(len(chunks))]
    writing, wanted = Writing(model, template, chunks, store, seed, before), question_counts(1.0, tokens)
    turn, first = 0, first_counts(model, chunks)
    while turn < turns and writing.missing(wanted) and not (turn and time.monotonic() > until):
        writing.turn(wanted, [AT_ONCE] * len(chunks) if turn else first, say)
        turn += 1
    found = [each for part in writing.found for each in part]
    if writing.made.written:
        say(writing.made.summary)
    if not found and not known:
        reasons = f" ({writing.made.summary})" if writing.made.written else ""
        raise UserError(
            f"{model.card.name} wrote no usable question about the context{reasons}: give --queries with your own, "
            "or --asker with a model that follows instructions"
        )
    return found
