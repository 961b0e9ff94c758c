"""Dialogues: JSON of many shapes, exports of ChatGPT and Slack, transcripts. Every turn has its speaker and date."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from inweights.sources.dialogue import chatgpt, shapes, slack, transcript
from inweights.sources.dialogue.turns import Dialogue, dialogue_sections
from inweights.sources.plain import text_of
from inweights.sources.refused import RefusedError
from inweights.sources.types import Context, Section

MOST_BYTES = 100_000_000
"""Maximum bytes; an export of years of chats is longer than any text."""
_WANTED = 'expected a list of {"speaker": ..., "text": ..., "date": ...}, or an object with such a list in "turns"'


def read(path: Path, source: str) -> Context:
    """Raises RefusedError where the file is not a dialogue, or all of its turns are empty."""
    text = text_of(path, source, MOST_BYTES)
    if not text.strip():
        raise RefusedError(source, f"is empty, so it is a dialogue without a turn: {_WANTED}, or lines `Name: text`")
    if path.suffix.lower() in (".json", ".jsonl", ".ndjson") or text.lstrip().startswith(("[{", '{"')):
        return Context(tuple(_sections(_in_json(text, path, source), source)))
    dialogue, before = transcript.dialogue(text)
    sections = _sections([dialogue], source)
    if before:
        sections = (Section(before, sections[0].title, (), source, "before the first turn"), *sections)
    return Context(sections)


def is_transcript(text: str) -> bool:
    return transcript.is_transcript(text)


def _sections(dialogues: Sequence[Dialogue], source: str) -> tuple[Section, ...]:
    sections = tuple(dialogue_sections(dialogues, source))
    if not sections:
        raise RefusedError(source, f"is a dialogue in which every turn is empty: {_WANTED}, or lines `Name: text`")
    if not sections[0].title:
        sections = tuple(replace(each, title=Path(source).stem) for each in sections)
    return sections


def _in_json(text: str, path: Path, source: str) -> list[Dialogue]:
    try:
        value: Any = _values(text)
    except json.JSONDecodeError as error:
        raise RefusedError(source, f"is not JSON (line {error.lineno}: {error.msg}): {_WANTED}") from error
    except RecursionError as error:
        raise RefusedError(source, f"is JSON that is nested too deeply: {_WANTED}") from error
    if slack.is_messages(value):
        return [slack.dialogue(value, path)]
    found = chatgpt.dialogues(value) if chatgpt.is_export(value) else shapes.dialogues(value)
    if found is None:
        raise RefusedError(source, f"is JSON, and not a dialogue of a known shape: {_WANTED}")
    return found


def _values(text: str) -> object:
    """One JSON value, or the values of all lines (JSONL)."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        if len(lines) < 2 or not lines[0][1].rstrip().endswith(("}", "]")):
            raise
        values = []
        for number, line in lines:
            try:
                values.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise json.JSONDecodeError(error.msg, "\n" * (number - 1), number - 1) from error
        return values
