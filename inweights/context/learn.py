"""From a context to an adapter: rounds of questions, a teacher's answers to them, and training without the context."""

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from inweights.context.chunks import Chunk
from inweights.context.few_shot import FewShot
from inweights.context.metrics import information_recovered
from inweights.context.on_policy import polish
from inweights.context.other_model import OtherModel
from inweights.context.paraphrases import paraphrases
from inweights.context.parting import parting_of
from inweights.context.qa_tokens import Question
from inweights.context.question_sampling import QuestionSplit, split_held_out
from inweights.context.question_turns import LESSON_TOKENS, question_counts
from inweights.context.rounds import Progress, next_round
from inweights.context.settings import Settings
from inweights.context.setup import Setup
from inweights.context.teacher import assign_chunks, teacher_kl
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.context.training_rows import Row
from inweights.context.work_cache import TeacherAnswers
from inweights.learn_records import MINIMUM_QUESTIONS, Recovered, parts
from inweights.models.base import Backbone
from inweights.wording import counted

SHARED = ("questions", "answers", "replay")
"""Phases whose work is kept on disk and used again by the next form."""
ENOUGH = 0.02
"""Of information: a round that gains less than this is the last."""


@dataclass(frozen=True)
class LearningResult:
    """What came of learning a context."""

    learned: LearnedContext
    answers: TeacherAnswers
    """The teacher's, that the student was trained on."""
    held_out: TeacherAnswers
    """Nothing was trained on these."""
    recovered: tuple[Recovered, ...]
    """Of the held-out questions' information, after each round."""
    seconds: dict[str, float]
    losses: tuple[float, ...]
    replayed: tuple[Row, ...] = field(repr=False, default=())


def seconds_of(result: LearningResult, results: Iterable[LearningResult]) -> dict[str, float]:
    """By phase. The first form has paid for what several share: each is given what it would have cost alone."""
    shared = {phase: max(each.seconds.get(phase, 0.0) for each in results) for phase in SHARED if phase in result.seconds}
    return result.seconds | shared


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
    say: Callable[[str], None] = lambda text: None,
    remedy: str = "raise --held-out",
    asker: OtherModel | None = None,
    teacher: OtherModel | None = None,
) -> LearningResult:
    """Train an update until it answers as the model does with the pieces in its prompt.

    `folder` keeps the work, from which a run that was killed goes on. `queries`: questions of the user's. `seconds`: a
    time budget. `about`: pieces that the model writes questions about; None: all, unless there are queries. `warm`:
    what another version of the context has left, to be trained further. `remedy`: what to do where too few questions
    will be held out; "": no warning is given. `asker`, `teacher`: who writes the questions and who answers them, if not
    the model itself; the teacher has the same tokenizer.

    Raises UserError where the model writes no usable question and none are given.
    """
    setup = Setup(model, template, chunks, settings, folder, queries, seconds, about, warm, say, asker, teacher)
    questions = split_held_out(assign_chunks(model, template, chunks, queries), settings.held_out)
    _warn_of_few(setup, len(queries), remedy)
    reworded = _paraphrases(setup, questions) if setup.own and queries and not setup.warm else []
    setup.clock.spent_on("questions")
    return _polished(setup, _after_rounds(setup, questions, reworded))


def _paraphrases(setup: Setup, questions: QuestionSplit) -> list[Question]:
    """The questions that are learned in other words; the effort that is left is for the model's own questions."""
    count = round(setup.own_tokens / LESSON_TOKENS)
    texts = [(each.text, each.chunk, each.gold) for each in questions.learned]
    with setup.asking() as (model, _):

        def make() -> list[Question]:
            made = paraphrases(FewShot(model), questions.learned, setup.chunks, count, setup.settings.seed)
            setup.say(f"paraphrases: {made.summary}")
            return list(made.questions)

        new = setup.store.questions(("paraphrases", setup.ground, model.card.digest, texts, count), make)
    given, own = counted(len(questions.all), "question"), max(0, count - len(new))
    setup.say(f"{given} given, {counted(len(new), 'paraphrase')} of these, and up to {own:,} of the model's own")
    return new


def _warn_of_few(setup: Setup, queries: int, remedy: str) -> None:
    """Where too few questions will be held out for an interval."""
    share = setup.settings.held_out
    own = sum(question_counts(setup.settings.effort, setup.tokens)) * bool(setup.own)
    expected = share * (own + queries)
    if remedy and share and expected < MINIMUM_QUESTIONS:
        few = counted(round(expected), "question")
        setup.say(f"warning: about {few} will be held out, too few for an interval ({MINIMUM_QUESTIONS}); {remedy}")


def _after_rounds(setup: Setup, questions: QuestionSplit, reworded: Sequence[Question]) -> Progress:
    """Rounds until one gains too little, or all of them are done."""
    shares = tuple(each / sum(setup.tokens) for each in setup.tokens)
    progress = Progress(QuestionSplit((*questions.learned, *reworded), questions.held_out), shares, len(reworded))
    for number in range(setup.rounds):
        progress = next_round(setup, progress, number)
        values = [each.value for each in progress.recovered[-2:]]
        if len(values) == 2 and None not in values and values[1] - values[0] < ENOUGH:  # type: ignore[operator]
            break
    return progress


def _needs_polish(setup: Setup, held_out: TeacherAnswers) -> bool:
    """Unless free answers to the held-out questions recover as much as the teacher-forced figure promises.

    Too few of them tell nothing; then what the settings say is done.
    """
    if len(held_out.examples) < MINIMUM_QUESTIONS:
        return True
    apart = parting_of(setup, held_out)
    needed = parts(apart)
    if not needed:
        setup.say("no steps on the student's own answers: they recover as much as is known of the teacher's")
    return needed


def _polished(setup: Setup, progress: Progress) -> LearningResult:
    """What the rounds came to, after the steps on the student's own answers where the settings have some."""
    recovered, losses = progress.recovered, progress.losses
    if setup.settings.polish and _needs_polish(setup, progress.held_out):
        with setup.teaching() as (teacher, _):
            lessons = (setup.template, setup.chunks, progress.answers)
            losses += polish(setup.learned, teacher, *lessons, setup.settings, setup.clock.at(1.0))
        setup.clock.spent_on("polish")
        held_out = progress.held_out
        recovered += (information_recovered(held_out.bare, teacher_kl(setup.learned, held_out)),)
    return LearningResult(
        setup.learned, progress.answers, progress.held_out, recovered, setup.clock.seconds, losses, progress.replayed
    )
