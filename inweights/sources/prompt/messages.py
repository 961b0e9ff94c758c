"""Examples as the messages of a chat: each answer of the assistant with the user's messages before it."""

import json
from collections.abc import Mapping
from typing import Any

from inweights.sources.prompt.parsed import Parsed
from inweights.sources.types import Demonstration

_INSTRUCTS = ("system", "developer")


def messages(text: str) -> list[Mapping[str, Any]] | None:
    """From a JSON list of messages, or an object with such a list in `messages`; None for any other text."""
    if not text.lstrip().startswith(("[", "{")):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    found = value.get("messages") if isinstance(value, Mapping) else value
    if not isinstance(found, list) or not found:
        return None
    return found if all(isinstance(each, Mapping) and {"role", "content"} <= set(each) for each in found) else None


def chatted(chat: list[Mapping[str, Any]]) -> Parsed:
    """Written as `User: ...`, `Assistant: ...`; a question without an answer is left out."""
    instructions: list[str] = []
    asked: list[str] = []
    found: list[Demonstration] = []
    for message in chat:
        role, content = str(message["role"]), _said(message["content"])
        if role in _INSTRUCTS:
            instructions.append(content)
        elif role == "assistant" and asked:
            found.append(Demonstration("User: " + "\n".join(asked) + "\nAssistant:", f" {content}"))
            asked = []
        else:
            asked.append(content)
    return Parsed("\n\n".join(instructions), tuple(found))


def _said(content: object) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, Mapping)).strip()
    return str(content or "").strip()
