"""A learned context after an edit of its sources: new pieces get questions, those of lost pieces are asked again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question
from inweights.context.settings import Settings
from inweights.context.systems import System, learned_system
from inweights.context.teacher import assign_chunks
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.exports import context_card
from inweights.exports.context_card import ContextCard, Piece
from inweights.exports.load_context import load
from inweights.exports.staging import refuse_occupied
from inweights.learn_records import LearnReport
from inweights.learning.inputs import LearnInputs, read_inputs
from inweights.learning.pipeline import learn_into
from inweights.learning.request import As, LearnRequest, WarmStart
from inweights.learning.work import carry_over, read_questions, work_of
from inweights.types import UserError
from inweights.wording import counted


@dataclass(frozen=True)
class Change:
    """What an edit comes to, in pieces and in questions."""

    new: frozenset[int]
    """Numbers of the pieces that were not there."""
    gone: int
    kept: tuple[Question, ...]
    """Asked before, about pieces that are as they were."""
    again: tuple[Question, ...]
    """Asked before, about pieces that are gone."""


def change(chunks: Sequence[Chunk], pieces: Sequence[Piece], work: Path) -> Change:
    """Raises UserError where the questions of the earlier version are not there."""
    before = read_questions(work)
    now = {chunk.digest: number for number, chunk in enumerate(chunks)}
    known = {piece.digest for piece in pieces}
    return Change(
        new=frozenset(number for digest, number in now.items() if digest not in known),
        gone=len(known - set(now)),
        kept=tuple(replace(each, chunk=now[digest]) for each, digest in before if digest in now),
        # The answer that was given to these may be the one that the edit replaced.
        again=tuple(replace(each, gold="") for each, digest in before if digest not in now),
    )


def update(
    folder: Path,
    out: Path,
    paths: Sequence[str] = (),
    model: str | None = None,
    queries: Sequence[Question] = (),
    tests: Sequence[Question] = (),
    say: Callable[[str], None] = lambda text: None,
) -> LearnReport | None:
    """Write `out`, learned from `folder` and the sources as they are now; None where nothing changed.

    Raises UserError where the folder, its base model or its work cannot be had.
    """
    refuse_occupied(out)
    card = context_card.read(folder)
    if "merged" in card.forms:
        raise UserError(f"{folder} holds merged weights, which cannot be taken up: learn the context anew with --as lora")
    inputs = _inputs(card, paths, model)
    work = work_of(folder)
    found = change(inputs.chunks, card.pieces, work)
    if not found.new and not found.gone and not queries:
        return None
    kept = len(inputs.chunks) - len(found.new)
    say(f"{counted(len(inputs.chunks), 'piece')} now: {len(found.new)} new, {kept} as before; {found.gone} gone")
    learned = {form: load(folder, model, form).learned for form in card.forms}
    # Questions about what is gone find their piece anew; what they are answered with there is learned.
    again = assign_chunks(inputs.model, inputs.template, inputs.chunks, found.again)
    before = {form: learned_system(form, each).answers(inputs.template, again) for form, each in learned.items()}
    of_user = bool(queries) or not (work / "questions").is_dir()
    carry_over(work, work_of(out))
    warm = WarmStart(
        learned,
        frozenset() if of_user else found.new,
        lambda form, now: _unlearned(inputs, now, again, before[form]),
    )
    # Answers about what is as it was are on disk: they are trained on, and not asked for again.
    request = _request(card, (*found.kept, *again, *queries), tests)
    return learn_into(out, inputs, request, say, warm)


def _inputs(card: ContextCard, paths: Sequence[str], model: str | None) -> LearnInputs:
    """The sources as they are now, read and cut as they were."""
    read = partial(read_inputs, model or card.base.name, paths or card.paths, card.kind)
    report = card.report
    inputs = read(
        Template(**card.template), card.chunk_tokens, dtype=card.base.dtype, asker=report.asker, teacher=report.teacher
    )
    return replace(inputs, own_template=bool(card.settings.get("chat_template")))


def _request(card: ContextCard, queries: tuple[Question, ...], tests: Sequence[Question]) -> LearnRequest:
    settings = Settings(**{name: value for name, value in card.settings.items() if name != "chat_template"})
    form: As = "both" if len(card.forms) > 1 else "kv" if card.forms == ("kv",) else "lora"
    return LearnRequest(form, settings, queries, tests=tuple(tests))


def _unlearned(
    inputs: LearnInputs, learned: LearnedContext, questions: Sequence[Question], before: Sequence[str]
) -> dict[str, int]:
    """Of the questions about what is gone whose answer is another now: how many get the old answer, and how many the new."""
    teacher = System("teacher", inputs.model).with_context(inputs.chunks)
    now = teacher.answers(inputs.template, questions)
    outputs = learned_system("student", learned).answers(inputs.template, questions)
    other = [number for number, answer in enumerate(now) if answer != before[number]]
    return {
        "questions": len(other),
        "still_old": sum(outputs[number] == before[number] for number in other),
        "as_now": sum(outputs[number] == now[number] for number in other),
    }
