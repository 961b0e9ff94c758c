"""Turns of writing questions, each about several pieces at once; the first one is what `probe` does, too."""

import math
from collections.abc import Callable, Mapping, Sequence

from inweights.context.chunks import Chunk
from inweights.context.fact_questions import Written
from inweights.context.qa_tokens import Question
from inweights.context.question_writing import new_questions
from inweights.context.settings import EFFORTS
from inweights.context.template import Template
from inweights.context.work_cache import Store
from inweights.models.base import Backbone
from inweights.wording import counted

LESSON_TOKENS = 48
"""Of a question with its answer, before any has been seen."""
AT_ONCE = 32
"""Questions about one piece in a turn, after the first."""
GROUP = 8
"""Pieces that questions are written about together."""
FIRST, AT_LEAST = 24, 3
"""Questions of the first turn about a group, and at least about each of its pieces: what `probe` asks, and `learn` again."""


def first_group(pieces: int) -> range:
    """Pieces from all over the context whose first questions speak for all of them."""
    return range(0, pieces, math.ceil(pieces / GROUP))


def first_count(pieces: int) -> int:
    """Questions about each piece in the first turn, where it is long enough."""
    return max(AT_LEAST, min(FIRST // 2, math.ceil(FIRST / min(pieces, GROUP))))


def first_counts(model: Backbone, chunks: Sequence[Chunk]) -> list[int]:
    """Of every piece; no more than the least effort asks about it, so that every effort begins with the same."""
    sizes = list(map(float, model.count_tokens([chunk.text for chunk in chunks])))
    return [min(first_count(len(chunks)), most) for most in question_counts(EFFORTS["quick"], sizes)]


def question_counts(effort: float, tokens: Sequence[float]) -> list[int]:
    """How many questions a level of effort asks about pieces of so many tokens: what is forecast, and what is asked."""
    return [math.ceil(round(effort * size / LESSON_TOKENS, 6)) for size in tokens]


class Writing:
    """Questions about each piece so far."""

    def __init__(
        self,
        model: Backbone,
        template: Template,
        chunks: Sequence[Chunk],
        store: Store,
        seed: int,
        known: Sequence[Sequence[str]],
    ) -> None:
        self.model, self.template, self.chunks, self.store, self.seed, self.known = (
            model,
            template,
            chunks,
            store,
            seed,
            known,
        )
        self.found: list[list[Question]] = [[] for _ in chunks]
        self.dry: set[int] = set()
        self.made = Written()

    def missing(self, wanted: Sequence[int]) -> dict[int, int]:
        """By piece, but those about which the model has nothing more to ask."""
        counts = {number: count - len(self.found[number]) for number, count in enumerate(wanted) if number not in self.dry}
        return {number: count for number, count in counts.items() if count > 0}

    def turn(self, wanted: Sequence[int], most: Sequence[int], say: Callable[[str], None]) -> None:
        """Up to `most` questions about each piece."""
        step = math.ceil(len(self.chunks) / GROUP)
        missing = self.missing(wanted)
        for first in range(step):
            counts = {n: min(most[n], missing[n]) for n in range(first, len(self.chunks), step) if n in missing}
            if counts:
                self._group(counts)
                say(f"{counted(sum(map(len, self.found)), 'question')} about {counted(len(self.chunks), 'piece')}")

    def _group(self, counts: Mapping[int, int]) -> None:
        texts = {number: [*self.known[number], *(each.text for each in self.found[number])] for number in counts}
        pieces = [(number, self.chunks[number].digest, count, texts[number]) for number, count in counts.items()]
        key = (self.model.card.digest, self.model.card.dtype, self.template.digest, pieces, self.seed)

        def make() -> list[Question]:
            written = new_questions(self.model, self.template, self.chunks, counts, self.seed, texts)
            self.made += written
            return list(written.questions)

        new = self.store.questions(key, make)
        for each in new:
            self.found[each.chunk or 0].append(each)
        self.dry |= set(counts) - {each.chunk for each in new}
