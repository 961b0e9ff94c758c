"""The folder OUT.work: a study with questions, answers and the state of training, to go on from and to update from."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from inweights.context.chunks import Chunk
from inweights.context.learn import LearningResult
from inweights.context.qa_tokens import Question
from inweights.learn_records import LearnReport
from inweights.records import write_whole
from inweights.study.store import Store
from inweights.types import UserError

QUESTIONS = "asked.json"


def work_of(folder: Path) -> Path:
    """The folder of work that belongs to an exported folder."""
    return folder.with_name(f"{folder.name}.work")


def write_questions(work: Path, chunks: Sequence[Chunk], results: Iterable[LearningResult]) -> None:
    """Every question that was answered, with the digest of its piece, for a later version of the context."""
    answered = [each for one in results for each in (*one.answers.examples, *one.held_out.examples)]
    questions = list(dict.fromkeys(each.question for each in answered))
    rows = [asdict(each) | {"chunk": chunks[each.chunk or 0].digest} for each in questions]
    work.mkdir(parents=True, exist_ok=True)
    write_whole(work / QUESTIONS, json.dumps(rows, ensure_ascii=False))


def write_records(work: Path, report: LearnReport, sources: Mapping[str, str]) -> None:
    """Under `work`/records, as `compare` writes them, so that `inweights report` shows them; none without a question.

    On the evaluation set that verdicts are about alone: rows of a table are compared on the same questions.
    """
    if not report.primary:
        return
    records, store = list(report.systems.values()), Store(work)
    run = records[0].run
    store.prepare({"learned": run.task, "model": [str(run.weights)], "sources": dict(sources)})
    for each in records:
        store.write(replace(each, outcomes={report.primary: each.outcomes[report.primary]}, with_context={}))


def read_questions(work: Path) -> list[tuple[Question, str]]:
    """Questions of an earlier version, each with the digest of its piece. Raises UserError where they cannot be read."""
    path = work / QUESTIONS
    try:
        rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return [(Question(**{**row, "chunk": None}), str(row["chunk"])) for row in rows]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UserError(
            f"{path}, where `learn` keeps what it has asked, cannot be read ({error}): learn the context anew"
        ) from error


def carry_over(work: Path, new: Path) -> None:
    """Put questions and answers of an earlier version into `new`, as hard links where the file system has them."""
    for path in sorted(each for each in work.rglob("*") if each.is_file() and each.name != QUESTIONS):
        place = new / path.relative_to(work)
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            try:
                os.link(path, place)
            except OSError:
                shutil.copy2(path, place)
