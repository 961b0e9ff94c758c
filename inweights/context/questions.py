"""A user's own questions from a file, and what every question must be."""

import json
import re
from pathlib import Path
from typing import Any

from inweights.context.qa_tokens import Question
from inweights.types import UserError

_POINTING = re.compile(
    r"\b(?:according to|(?:in|from|of|by) (?:the|this) (?:text|passage|document|material|context|article|excerpt))\b", re.I
)
_FIELDS = {"question", "query", "text"}


def from_file(path: Path) -> list[Question]:
    """JSON Lines with `question` and perhaps `answer` and `kind`, logs with `messages`, or one question a line.

    Of a log the first message of the user is taken: what comes later depends on earlier answers.

    Raises UserError where the file cannot be read so.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as UTF-8 text ({error}): give a file with a question in each line"
        ) from error
    found = [_question(line.strip(), f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    if not found:
        raise UserError(f"{path} has no question: give a file with one in each line")
    return found


def _question(line: str, where: str) -> Question:
    if not line.startswith("{"):
        return Question(line)
    try:
        values: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not JSON ({error.msg})") from error
    if isinstance(values.get("messages"), list):
        return Question(_first_message(values["messages"], where), kind=str(values.get("kind") or ""))
    named = [name for name in _FIELDS if isinstance(values.get(name), str) and values[name].strip()]
    if len(named) != 1:
        raise UserError(
            f'{where} has the fields {", ".join(values)}: expected "question" and, optionally, "answer" and "kind"'
        )
    place = values.get("place")
    return Question(
        values[named[0]].strip(),
        gold="" if values.get("answer") is None else str(values["answer"]),
        kind="" if values.get("kind") is None else str(values["kind"]),
        place=float(place) if isinstance(place, int | float) else None,
    )


def _first_message(messages: list[Any], where: str) -> str:
    for message in messages:
        if isinstance(message, dict) and message.get("role") == "user" and isinstance(message.get("content"), str):
            return str(message["content"]).strip()
    raise UserError(f'{where} has no message with "role": "user" and a text as "content"')


def usable(text: str) -> bool:
    """Whether a question stands on its own: not empty, no loop, not pointing at a text that will not be there."""
    words = text.split()
    few = 2 if text.isascii() else 1  # not all scripts have a space between words
    if not few <= len(words) <= 60 or not re.search(r"\w{2}", text) or _POINTING.search(text):
        return False
    threes = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(threes) < 4 or len(set(threes)) > 0.7 * len(threes)


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
