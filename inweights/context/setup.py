"""What is learned and how: the same in every round."""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from inweights.cache import digest
from inweights.context.chunks import Chunk
from inweights.context.clock import Clock
from inweights.context.other_model import OtherModel
from inweights.context.qa_tokens import Question
from inweights.context.question_turns import LESSON_TOKENS
from inweights.context.settings import Settings
from inweights.context.template import Template
from inweights.context.train import LearnedContext, initial_update
from inweights.context.work_cache import Store
from inweights.models.base import Backbone


@dataclass(frozen=True)
class Setup:
    """The fields are the parameters of `context.learn.learn`; the properties follow from them."""

    model: Backbone
    template: Template
    chunks: Sequence[Chunk]
    settings: Settings
    folder: Path
    queries: Sequence[Question] = ()
    seconds: float = math.inf
    about: Collection[int] | None = None
    warm: LearnedContext | None = None
    say: Callable[[str], None] = lambda text: None
    asker: OtherModel | None = None
    teacher: OtherModel | None = None
    began: float = field(default_factory=time.monotonic)

    @cached_property
    def learned(self) -> LearnedContext:
        """The update, which is trained in place."""
        return self.warm or initial_update(self.model, [chunk.text for chunk in self.chunks], self.settings)

    @cached_property
    def start(self) -> str:
        """Digest of what training starts from: asked for before the first step."""
        sha = hashlib.sha256()
        for parameter in self.learned.adapted.parameters.values():
            sha.update(parameter.detach().cpu().contiguous().numpy().tobytes())
        return sha.hexdigest()

    @cached_property
    def ground(self) -> tuple[object, ...]:
        """What all work follows from."""
        card, pieces = self.model.card, [chunk.digest for chunk in self.chunks]
        others = [each.name if each else "" for each in (self.asker, self.teacher)]
        return (card.digest, card.dtype, self.template.digest, pieces, self.settings, others)

    @cached_property
    def clock(self) -> Clock:
        run = digest((self.ground, self.queries, self.about, self.start))
        return Clock(self.seconds, self.folder / "seconds" / f"{run}.json", self.began, since=self.began)

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @cached_property
    def tokens(self) -> tuple[float, ...]:
        """Of each piece."""
        return tuple(map(float, self.model.count_tokens([chunk.text for chunk in self.chunks])))

    @property
    def own(self) -> frozenset[int]:
        """Pieces that the model writes questions about."""
        every = () if self.queries else range(len(self.chunks))
        return frozenset(every if self.about is None else self.about)

    @property
    def own_tokens(self) -> float:
        """Of these questions and their answers, in all rounds. An update's queries are those of the earlier version."""
        given = 0 if self.warm else LESSON_TOKENS * len(self.queries)
        return max(0.0, self.settings.effort * sum(self.tokens) - given)

    @property
    def rounds(self) -> int:
        return self.settings.rounds_of(self.settings.effort * sum(self.tokens) / LESSON_TOKENS) if self.own else 1

    def asking(self) -> AbstractContextManager[tuple[Backbone, Template]]:
        """The model that writes the questions, and how they read to it."""
        return self.asker.loaded() if self.asker else nullcontext((self.model, self.template))

    def teaching(self) -> AbstractContextManager[tuple[Backbone, Template]]:
        """The model that answers them with the context."""
        return self.teacher.loaded() if self.teacher else nullcontext((self.model, self.template))

    def until(self, number: int, share: float) -> float:
        """On time.monotonic(), when that share of a round's time is over."""
        return self.clock.at((number + share) / self.rounds)
