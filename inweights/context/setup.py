"""What is the same in every round of learning a context."""

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
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
    """A model, a context, how it is learned, and where the work is kept."""

    model: Backbone
    template: Template
    chunks: Sequence[Chunk]
    settings: Settings
    learned: LearnedContext
    """Trained in place."""
    start: str
    """Digest of what training starts from."""
    warm: bool
    """Training starts from what an earlier version of the context has left."""
    folder: Path
    clock: Clock
    say: Callable[[str], None]
    tokens: tuple[float, ...]
    """Of each piece."""
    own: frozenset[int]
    """Pieces that the model writes questions about."""
    own_tokens: float
    """Of these questions and their answers, in all rounds."""
    rounds: int
    asker: OtherModel | None = None
    teacher: OtherModel | None = None

    def asking(self) -> AbstractContextManager[tuple[Backbone, Template]]:
        """Who writes the questions, and how they read to it."""
        return self.asker.loaded() if self.asker else nullcontext((self.model, self.template))

    def teaching(self) -> AbstractContextManager[tuple[Backbone, Template]]:
        """Who answers them with the context."""
        return self.teacher.loaded() if self.teacher else nullcontext((self.model, self.template))

    @property
    def store(self) -> Store:
        return Store(self.folder)

    @property
    def ground(self) -> tuple[object, ...]:
        """What all work follows from."""
        return _ground(self.model, self.template, self.chunks, self.settings, self.asker, self.teacher)

    def until(self, number: int, share: float) -> float:
        """On time.monotonic(), when that share of a round's time is over."""
        return self.clock.at((number + share) / self.rounds)


def setup_of(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    folder: Path,
    queries: Sequence[Question],
    seconds: float,
    about: Collection[int] | None,
    warm: LearnedContext | None,
    say: Callable[[str], None],
    asker: OtherModel | None = None,
    teacher: OtherModel | None = None,
) -> Setup:
    """The parameters are those of `context.learn.learn`."""
    began = time.monotonic()
    texts = [chunk.text for chunk in chunks]
    own = frozenset(about) if about is not None else frozenset() if queries else frozenset(range(len(chunks)))
    tokens = tuple(float(len(ids)) for ids in model.encode(texts))
    effort = settings.effort * sum(tokens)
    # An update's queries are those of the earlier version.
    given = 0 if warm else LESSON_TOKENS * len(queries)
    learned = warm or initial_update(model, texts, settings)
    start = _parameters_digest(learned)
    run = digest((_ground(model, template, chunks, settings, asker, teacher), queries, about, start))
    return Setup(
        model,
        template,
        chunks,
        settings,
        learned,
        start,
        warm is not None,
        folder,
        Clock(seconds, folder / "seconds" / f"{run}.json", began, since=began),
        say,
        tokens,
        own,
        own_tokens=max(0.0, effort - given),
        rounds=settings.rounds_of(effort / LESSON_TOKENS) if own else 1,
        asker=asker,
        teacher=teacher,
    )


def _ground(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    asker: OtherModel | None,
    teacher: OtherModel | None,
) -> tuple[object, ...]:
    others = [each.name if each else "" for each in (asker, teacher)]
    return (model.card.digest, model.card.dtype, template.digest, [chunk.digest for chunk in chunks], settings, others)


def _parameters_digest(learned: LearnedContext) -> str:
    sha = hashlib.sha256()
    for parameter in learned.adapted.parameters.values():
        sha.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()
