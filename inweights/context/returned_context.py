"""The context that comes back: what was learned from it holds with the context in the prompt, too.

A student that is kept what it was wherever a context stands in front answers worse with the learned one in its prompt than
without. The regulariser of arXiv 2606.11627 brings p(.|context, question) to p(.|question) of the student itself. Both
have the same target here, what is taught, so that no second forward pass is needed for an anchor.
"""

import math
import random
from collections.abc import Sequence

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import TeacherAnswer
from inweights.context.replay import branched
from inweights.context.template import Template
from inweights.context.training_rows import Row
from inweights.models.base import Backbone
from inweights.models.shared_prefix import encode_with_context
from inweights.scoring.completions import Completion
from inweights.scoring.teacher_logprobs import TeacherLogprobs

QUESTIONS = 8
"""After one context, which is most of the tokens."""


def returned_rows(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    lessons: Sequence[TeacherAnswer],
    rows: Sequence[Row],
    share: float,
    rng: random.Random,
) -> list[Row]:
    """Rows of training again, with the piece that they are about in the prompt. `share`: of their positions."""
    found: list[Row] = []
    for number, chunk in enumerate(chunks):
        about = {each.alone.prompt_ids: each for each in lessons if each.question.chunk == number}
        own = [row for row in rows if _prompt(row) in about]
        if not own:
            continue
        texts = [template.asked(about[_prompt(row)].question.text) for row in own]
        behind = encode_with_context(model.encode, template.context(chunk.text), texts, spare=1)
        pairs = [(_answered(rest, row), row.logprobs) for rest, row in zip(behind.rests, own, strict=True)]
        waiting: list[tuple[Completion, TeacherLogprobs]] = []
        size = min(QUESTIONS, len(own))
        for _ in range(math.ceil(share * len(own) / size)):
            if len(waiting) < size:
                waiting += rng.sample(pairs, len(pairs))
            some, waiting = waiting[:size], waiting[size:]
            found.append(branched(behind.shared, *zip(*some, strict=True)))
    return found


def _prompt(row: Row) -> tuple[int, ...]:
    return row.tree.stem[: row.tree.positions_read[0] + 1]


def _answered(prompt: Sequence[int], row: Row) -> Completion:
    """With the row's answer; its last token, which no tree reads, is left open."""
    return Completion(tuple(prompt), (*row.tree.stem[row.tree.positions_read[0] + 1 :], 0))
