"""A learnt context after an edit of its sources: what is new is asked, what is gone is asked again, the rest is kept."""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import Question, answers, asked, text_of
from inweights.context.settings import Settings
from inweights.context.teacher import assign_chunks
from inweights.context.template import Template
from inweights.context.train import LearnedContext
from inweights.exports import context_card
from inweights.exports.load_context import load
from inweights.exports.pipeline import ASKED, As, LearnInputs, LearnRequest, WarmStart, learn_into, material, work_of
from inweights.exports.staging import refuse_occupied
from inweights.learn_records import LearnReport
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


def change(chunks: Sequence[Chunk], pieces: Sequence[context_card.Piece], work: Path) -> Change:
    """Raises UserError where the questions of the earlier version are not there."""
    path = work / ASKED
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        before = [(Question(**{**row, "chunk": None}), str(row["chunk"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path}, where `learn` keeps what it has asked, cannot be read ({error}): learn the context anew"
        ) from error
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
    """Write `out`, learnt from `folder` and the sources as they are now; what was measured, None where nothing changed.

    Raises UserError where the folder, its base model or its work cannot be had.
    """
    refuse_occupied(out)
    card = context_card.read(folder)
    if "merged" in card.forms:
        raise UserError(f"{folder} holds merged weights, which cannot be taken up: learn the context anew with --as lora")
    template = Template(**card.template)
    name = model or card.base.name
    given = material(name, paths or card.paths, card.kind, template, card.chunk_tokens, dtype=card.base.dtype)
    given = replace(given, own_template=bool(card.settings.get("chat_template")))
    work = work_of(folder)
    found = change(given.chunks, card.pieces, work)
    if not found.new and not found.gone and not queries:
        return None
    kept = len(given.chunks) - len(found.new)
    say(f"{counted(len(given.chunks), 'piece')} now: {len(found.new)} new, {kept} as before; {found.gone} gone")
    loaded = {form: load(folder, model, form) for form in card.forms}
    # Questions about what is gone find their piece anew; what they are answered with there is learnt.
    again = assign_chunks(given.model, template, given.chunks, found.again)
    before = {form: _said(each.learned, given, again) for form, each in loaded.items()}

    def unlearnt(form: str, learned: LearnedContext) -> dict[str, int]:
        return _unlearnt(given, learned, again, before[form])

    of_user = bool(queries) or not (work / "questions").is_dir()
    _taken_over(work, work_of(out))
    warm = {form: each.learned for form, each in loaded.items()}
    left = WarmStart(warm, frozenset() if of_user else found.new, unlearnt)
    settings = Settings(**{name: value for name, value in card.settings.items() if name != "chat_template"})
    # Answers about what is as it was are on disk: they are trained on, and not asked for again.
    asked_now = (*found.kept, *again, *queries)
    form: As = "both" if len(card.forms) > 1 else "kv" if card.forms == ("kv",) else "lora"
    return learn_into(out, given, LearnRequest(form, settings, asked_now, tests=tuple(tests)), say, left)


def _taken_over(work: Path, new: Path) -> None:
    """Answers and questions of the earlier version, without a second copy of them where the file system lets us."""
    for path in sorted(each for each in work.rglob("*") if each.is_file() and each.name != ASKED):
        place = new / path.relative_to(work)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            try:
                os.link(path, place)
            except OSError:
                shutil.copy2(path, place)


def _said(learned: LearnedContext, given: LearnInputs, questions: Sequence[Question]) -> list[str]:
    if not questions:
        return []
    model, template = learned.model, given.template
    read = asked(model, template, None, [each.text for each in questions], learned.front)
    return [text_of(model, template, each) for each in answers(model, template, None, read.behind)]


def _unlearnt(
    given: LearnInputs, learned: LearnedContext, questions: Sequence[Question], before: Sequence[str]
) -> dict[str, int]:
    """Of the questions about what is gone whose answer is another now: what is still said as before, and what as now."""
    now = [""] * len(questions)
    by_chunk: dict[int, list[int]] = {}
    for number, question in enumerate(questions):
        by_chunk.setdefault(question.chunk or 0, []).append(number)
    for chunk, numbers in by_chunk.items():
        read = asked(given.model, given.template, given.chunks[chunk].text, [questions[number].text for number in numbers])
        for number, answer in zip(numbers, answers(given.model, given.template, read.prefix, read.behind), strict=True):
            now[number] = text_of(given.model, given.template, answer)
    said = _said(learned, given, questions)
    other = [number for number, answer in enumerate(now) if answer != before[number]]
    return {
        "questions": len(other),
        "still_old": sum(said[number] == before[number] for number in other),
        "as_now": sum(said[number] == now[number] for number in other),
    }
