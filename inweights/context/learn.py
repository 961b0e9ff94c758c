"""From a context to an adapter: ask, answer with the context, train without it, ask again where the student fails."""

import hashlib
import math
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inweights.context.chunks import Chunk
from inweights.context.clock import Clock
from inweights.context.given_answers import taught
from inweights.context.metrics import information_recovered
from inweights.context.on_policy import polish
from inweights.context.qa_tokens import Question, text_of
from inweights.context.question_sampling import LESSON_TOKENS, own_questions, question_counts, split_held_out
from inweights.context.settings import Settings
from inweights.context.teacher import assign_chunks, teacher_answers, teacher_kl
from inweights.context.template import Template
from inweights.context.train import LearnedContext, initial_update, train
from inweights.context.training_mix import replay, select_answers
from inweights.context.training_rows import Row
from inweights.context.work_cache import Store, TeacherAnswers, digest
from inweights.learn_records import Recovered
from inweights.models.base import Backbone
from inweights.training import Resume
from inweights.wording import counted

ENOUGH = 0.02
"""Of information: a round that gains less than this is the last."""
ASKING, ANSWERING, REPLAYING = 0.2, 0.4, 0.5
"""Shares of a round's time after which no more is asked, nor answered, nor made to be replayed."""
SAMPLES, SHOWN = 5, 100
"""Questions that are printed with their answers, and characters of each answer."""
FEW = 20
"""Held-out questions: fewer give no interval."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class LearningResult:
    """What came of learning a context."""

    learned: LearnedContext
    lessons: TeacherAnswers
    held_out: TeacherAnswers
    """Nothing was trained on these."""
    recovered: tuple[Recovered, ...]
    """Of the held-out questions' information, after each round."""
    seconds: dict[str, float]
    losses: tuple[float, ...]
    replayed: tuple[Row, ...] = field(repr=False, default=())


def learn(
    model: Backbone,
    template: Template,
    chunks: Sequence[Chunk],
    settings: Settings,
    folder: Path,
    *,
    queries: Sequence[Question] = (),
    seconds: float = math.inf,
    about: Collection[int] | None = None,
    warm: LearnedContext | None = None,
    say: Say = lambda text: None,
    remedy: str = "raise --held-out",
) -> LearningResult:
    """Learn the pieces. `folder`: where it goes on from after being killed. `queries`: to be asked. `seconds`: a time
    budget. `about`: pieces that the model is to ask about itself; None: all, unless there are queries. `warm`: what
    another version of the context has left, to be trained further. `remedy`: what to do where too few questions will
    be held out; "": nothing is said of it.

    Raises UserError where the model writes no usable question and none are given.
    """
    began, store = time.monotonic(), Store(folder)
    learned = warm or initial_update(model, [chunk.text for chunk in chunks], settings)
    start = _bytes_digest(learned)
    ground = (model.card.digest, model.card.dtype, template.digest, [chunk.digest for chunk in chunks], settings)
    clock = Clock(seconds, folder / "seconds" / f"{digest((ground, queries, about, start))}.json", began, since=began)
    tokens = [float(len(ids)) for ids in model.encode([chunk.text for chunk in chunks])]
    context, shares = sum(tokens), [each / sum(tokens) for each in tokens]
    own = set(about) if about is not None else set() if queries else set(range(len(chunks)))
    asked = split_held_out(assign_chunks(model, template, chunks, queries), settings.held_out)
    expected = settings.held_out * (sum(question_counts(settings.effort, tokens)) * bool(own) + len(queries))
    if remedy and settings.held_out and expected < FEW:
        about_so_many = counted(round(expected), "question")
        say(f"warning: about {about_so_many} will be held out, too few for an interval ({FEW}); {remedy}")
    clock.spent_on("questions")
    rounds = settings.rounds_of(settings.effort * context / LESSON_TOKENS) if own else 1
    recovered: list[Recovered] = []
    losses: tuple[float, ...] = ()
    for number in range(rounds):
        if own:
            given = 0 if warm else LESSON_TOKENS * len(queries)  # an update's are those of the earlier version
            left = max(0.0, settings.effort * context - given)
            most = [left * share / rounds * (i in own) for i, share in enumerate(shares)]
            until = clock.at((number + ASKING) / rounds)
            new = own_questions(model, template, chunks, most, store, settings.seed, asked.all, until, say)
            asked = split_held_out([*asked.all, *new], settings.held_out)
            clock.spent_on("questions")
        until = clock.at((number + ANSWERING) / rounds)
        # First those held out: what they say of the document is wanted whatever the budget.
        held_out = teacher_answers(model, template, chunks, asked.held_out, store, until=until)
        lessons = teacher_answers(model, template, chunks, asked.learned, store, until=until)
        say(f"{counted(len(lessons.lessons), 'answer')} learnt by, {len(held_out.lessons):,} held out")
        left_out = len(asked.all) - len(lessons.lessons) - len(held_out.lessons)
        if left_out:
            say(f"left out: {counted(left_out, 'question')} without an answer in time, or with one that repeats the prompt")
        for each in [each for each in lessons.lessons if not each.question.gold][:SAMPLES]:
            answer = text_of(model, template, each.alone.completion_ids)
            say(f"  {each.question.text}  ->  {answer[:SHOWN]}")
        clock.spent_on("answers")
        wrong = teacher_kl(warm, lessons) if warm else lessons.bare
        known = taught(model, template, select_answers(lessons, wrong, settings))
        if known.given:
            say(known.summary)
        epochs = max(1, round(settings.epochs_of(len(known.rows)) * (1 - settings.polish) / rounds))
        rows = list(known.rows) * epochs
        # All that a round follows from: a file of another one would be taken up for this.
        texts = [(each.question.chunk, each.question.gold, each.behind, each.alone) for each in lessons.lessons]
        follows = (*ground, texts)

        def replayed_now(lessons: TeacherAnswers = lessons, rows: list[Row] = rows, number: int = number) -> list[Row]:
            until = clock.at((number + REPLAYING) / rounds)
            return replay(model, template, chunks, lessons, rows, settings, f"replay {number}", until)

        replayed = store.rows((follows, len(rows), number, seconds), replayed_now)
        clock.spent_on("replay")
        if rows:
            say(_plan(settings, len(known.rows), [*rows, *replayed], model.hidden_size))
        key = digest((follows, len(rows), number, start))
        resume = Resume(folder / "training" / f"{key}.safetensors", key)
        until = clock.at((number + 1) / rounds * (1 - settings.polish))
        trace = train(learned, [*rows, *replayed], settings, resume=resume, watch=_told(say, clock), deadline=until)
        losses += trace.losses
        clock.spent_on("training")
        distances = teacher_kl(learned, held_out)
        recovered.append(information_recovered(held_out.bare, distances))
        clock.spent_on("measuring")
        say(f"round {number + 1} of {rounds}: {_spelled(recovered[-1])} recovered on held-out questions")
        before, now = recovered[-2].value if number else None, recovered[-1].value
        if before is not None and now is not None and now - before < ENOUGH:
            break
        shares = _where_missed(held_out, distances, tokens)
    if settings.polish:
        losses += polish(learned, model, template, chunks, lessons, settings, clock.at(1.0))
        clock.spent_on("polish")
        recovered.append(information_recovered(held_out.bare, teacher_kl(learned, held_out)))
    return LearningResult(learned, lessons, held_out, tuple(recovered), clock.seconds, losses, tuple(replayed))


def _plan(settings: Settings, answers: int, rows: Sequence[Row], hidden_size: int) -> str:
    """What training will be, in one line."""
    schedule = settings.schedule(len(rows), sum(len(row.tree) for row in rows) / max(1, len(rows)), hidden_size)
    return (
        f"training: {schedule.steps(len(rows), None):,} steps of {schedule.batch_size} texts, rate {schedule.lr:.2g}, "
        f"from {answers:,} answers and {len(rows):,} texts with repetitions and replay"
    )


def _bytes_digest(learned: LearnedContext) -> str:
    """Of what training starts from."""
    sha = hashlib.sha256()
    for parameter in learned.adapted.parameters.values():
        sha.update(parameter.detach().cpu().contiguous().numpy().tobytes())
    return sha.hexdigest()


def _where_missed(held_out: TeacherAnswers, distances: Sequence[float], tokens: Sequence[float]) -> list[float]:
    """Shares of the next questions: a piece's length times what is not known of it; all alike where none is held out."""
    lost = [[] for _ in tokens]  # type: list[list[float]]
    for lesson, distance in zip(held_out.lessons, distances, strict=True):
        if lesson.question.chunk is not None:
            lost[lesson.question.chunk].append(distance)
    known = [sum(each) / len(each) for each in lost if each]
    usual = sum(known) / len(known) if known else 1.0
    weights = [size * (sum(each) / len(each) if each else usual) for size, each in zip(tokens, lost, strict=True)]
    return [each / sum(weights) for each in weights] if sum(weights) > 0 else [1 / len(tokens)] * len(tokens)


def _told(say: Say, clock: Clock) -> Callable[[int, int, float], None]:
    """Of training, every few seconds."""
    last = [time.monotonic()]

    def watch(step: int, steps: int, loss: float) -> None:
        if time.monotonic() - last[0] > 5:
            last[0] = time.monotonic()
            clock.spent_on("training")
            say(f"step {step:,} of {steps:,}, loss {loss:.4f}")

    return watch


def _spelled(recovered: Recovered) -> str:
    return "not enough to tell" if recovered.value is None else f"{recovered.value:.0%} of the information"
