"""A user's own questions from a file, and what every question must be."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from inweights.context.conversation import conversation
from inweights.context.qa_tokens import Question
from inweights.types import UserError

_POINTING = re.compile(
    r"\b(?:according to|(?:in|from|of|by) (?:the|this) (?:text|passage|document|material|context|article|excerpt))\b", re.I
)
_FIELDS = {"question", "query", "text"}


def from_file(path: Path) -> list[Question]:
    """JSON Lines with `question` and perhaps `answer` and `kind`, logs with `messages`, or one question a line.

    Of a log every turn of the user is a question, with what was said before it; a system turn is left out, since the
    context is that. Raises UserError where the file cannot be read so.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} cannot be read as UTF-8 text ({error}): give a file with a question in each line"
        ) from error
    named = [(line.strip(), f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]
    found = [question for line, where in named for question in _questions(line, where)]
    if not found:
        raise UserError(f"{path} has no question: give a file with one in each line")
    return found


def _questions(line: str, where: str) -> list[Question]:
    if not line.startswith("{"):
        return [Question(line)]
    try:
        values: dict[str, Any] = json.loads(line)
    except json.JSONDecodeError as error:
        raise UserError(f"{where} is not JSON ({error.msg})") from error
    if isinstance(values.get("messages"), list):
        kind = str(values.get("kind") or "")
        return [Question(text, kind=kind) for text in _user_turns(values["messages"], where)]
    named = [name for name in _FIELDS if isinstance(values.get(name), str) and values[name].strip()]
    if len(named) != 1:
        raise UserError(
            f'{where} has the fields {", ".join(values)}: expected "question" and, optionally, "answer" and "kind"'
        )
    place = values.get("place")
    question = Question(
        values[named[0]].strip(),
        gold="" if values.get("answer") is None else str(values["answer"]),
        kind="" if values.get("kind") is None else str(values["kind"]),
        place=float(place) if isinstance(place, int | float) else None,
    )
    return [question]


def _user_turns(messages: list[Any], where: str) -> list[str]:
    """Each turn of the user with the turns before it."""
    said: list[str] = []
    found: list[str] = []
    for message in messages:
        role, text = _turn(message)
        if role not in ("user", "assistant") or not text:
            continue
        if len(said) % 2 == (role == "assistant"):
            said.append(text)
        elif said:  # two turns of one speaker are one
            said[-1] += f"\n{text}"
        if role == "user" and said:
            found = found[: (len(said) - 1) // 2]
            found.append(conversation(said))
    if not found:
        raise UserError(f'{where} has no message with "role": "user" and a text as "content"')
    return found


def _turn(message: Any) -> tuple[str, str]:
    """Role and text; a content in parts is its texts. Empty where it is something else, such as the call of a tool."""
    if not isinstance(message, dict):
        return "", ""
    content = message.get("content")
    if isinstance(content, list):
        content = "\n".join(str(part["text"]) for part in content if isinstance(part, dict) and part.get("type") == "text")
    return str(message.get("role")), content.strip() if isinstance(content, str) else ""


def usable(text: str) -> bool:
    """Whether a question stands on its own: not empty, no loop, not pointing at a text that will not be there."""
    words = text.split()
    few = 2 if text.isascii() else 1  # not all scripts have a space between words
    if not few <= len(words) <= 60 or not re.search(r"\w{2}", text) or _POINTING.search(text):
        return False
    threes = [tuple(words[i : i + 3]) for i in range(len(words) - 2)]
    return len(threes) < 4 or len(set(threes)) > 0.7 * len(threes)


def draw(text: str) -> float:
    """From 0 to 1 by a digest of the text, so that a question falls on the same side whenever it comes up again."""
    return int(hashlib.sha256(normal(text).encode()).hexdigest()[:8], 16) / 16**8


def normal(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))
