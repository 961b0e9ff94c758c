"""Dialogues in JSON: lists of turns, sessions of turns, several dialogues; with any of the usual keys."""

from collections.abc import Iterator, Mapping
from typing import Any

from inweights.sources.dialogue.dates import absolute
from inweights.sources.dialogue.turns import Dialogue, Turn

SPEAKER = ("speaker", "name", "role", "author", "user", "username", "sender", "from")
TEXT = ("text", "content", "message", "value", "utterance", "body")
DATE = ("date", "timestamp", "date_time", "datetime", "time", "created_at", "create_time", "ts")
TURNS = ("turns", "messages", "dialogue", "dialog", "conversation", "conversations", "chat_messages", "chat")
TITLE = ("title", "topic", "name")


def dialogues(value: object) -> list[Dialogue] | None:
    """None where the value is not a dialogue of a known shape; turns without text are left out."""
    found: list[Dialogue | None]
    if isinstance(value, Mapping):
        found = [_dialogue(value)]
    elif isinstance(value, list) and all(_is_turn(each) for each in value):
        found = [Dialogue(tuple(_turns(value, "", 0)))]
    elif isinstance(value, list):
        found = [_dialogue(each) if isinstance(each, Mapping) else None for each in value]
    else:
        return None
    known = [each for each in found if each is not None]
    return known if len(known) == len(found) else None


def text_of(content: object) -> str:
    """A text, or the texts of a list of parts; for a picture the note that one was shared."""
    if isinstance(content, str):
        return content.strip()
    if isinstance(content, list):
        return "\n".join(filter(None, map(text_of, content)))
    if isinstance(content, Mapping):
        kind = str(content.get("type") or content.get("content_type") or "")
        if "image" in kind:
            return "[shares a picture]"
        return next((text_of(content[key]) for key in (*TEXT, "parts") if key in content), "")
    return ""


def first(value: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((value[key] for key in keys if value.get(key) not in (None, "")), None)


def _dialogue(value: Mapping[str, Any]) -> Dialogue | None:
    sessions = list(_sessions(value))
    if not all(isinstance(turns, list) and all(_is_turn(each) for each in turns) for _, turns in sessions) or not sessions:
        return None
    turns = [turn for number, (date, said) in enumerate(sessions) for turn in _turns(said, date, number)]
    named = " and ".join(str(value[key]) for key in ("speaker_a", "speaker_b") if value.get(key))
    return Dialogue(tuple(turns), str(first(value, TITLE) or named))


def _sessions(value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Date and turns of each session: under `sessions`, as `session_1` with `session_1_date_time`, or all in one session."""
    if isinstance(value.get("sessions"), list):
        for each in value["sessions"]:
            is_object = isinstance(each, Mapping)
            yield absolute(first(each, DATE)) if is_object else "", first(each, TURNS) or [] if is_object else each
        return
    if isinstance(value.get("conversation"), Mapping):
        value = value["conversation"]
    numbered = [key for key in value if key.startswith("session_") and key[8:].isdigit()]
    for key in sorted(numbered, key=lambda key: int(key[8:])):
        yield absolute(value.get(f"{key}_date_time")), value[key]
    turns = next((value[key] for key in TURNS if isinstance(value.get(key), list)), None)
    if turns is not None and not numbered:
        yield absolute(first(value, DATE)), turns


def _is_turn(value: object) -> bool:
    return isinstance(value, Mapping) and any(map(value.__contains__, SPEAKER)) and any(map(value.__contains__, TEXT))


def _turns(values: list[Mapping[str, Any]], date: str, session: int) -> Iterator[Turn]:
    for value in values:
        speaker = first(value, SPEAKER)
        if isinstance(speaker, Mapping):
            speaker = first(speaker, ("name", "username", "role"))
        text = text_of(first(value, TEXT))
        if caption := value.get("blip_caption"):
            text = f"{text} [shares {caption}]".strip()
        if text:
            yield Turn(str(speaker or "somebody"), text, absolute(first(value, DATE)) or date, session=session)
