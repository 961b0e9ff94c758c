"""A ChatGPT export: each conversation is a tree of edits and repeated answers, of which one path was current."""

from collections.abc import Iterator, Mapping
from typing import Any

from inweights.sources.dialogue.dates import absolute
from inweights.sources.dialogue.shapes import text_of
from inweights.sources.dialogue.turns import Dialogue, Turn

_HEARD = ("user", "assistant")


def is_export(value: object) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(each, Mapping) and isinstance(each.get("mapping"), Mapping) for each in items)


def dialogues(value: Any) -> list[Dialogue]:
    """The conversations that have a turn; messages of the system and of tools are left out."""
    found = [_dialogue(each) for each in (value if isinstance(value, list) else [value])]
    return [each for each in found if each.turns]


def _dialogue(conversation: Mapping[str, Any]) -> Dialogue:
    turns = []
    for message in reversed(list(_path(conversation["mapping"], conversation.get("current_node")))):
        speaker = str((message.get("author") or {}).get("role"))
        hidden = (message.get("metadata") or {}).get("is_visually_hidden_from_conversation")
        text = text_of(message.get("content"))
        if speaker in _HEARD and text and not hidden:
            date = absolute(message.get("create_time") or conversation.get("create_time"))
            turns.append(Turn(speaker, text, date))
    return Dialogue(tuple(turns), str(conversation.get("title") or ""))


def _path(nodes: Mapping[str, Any], last: object) -> Iterator[Mapping[str, Any]]:
    """The messages of the current path."""
    at = last if last in nodes else next(reversed(list(nodes)), None)
    seen = set()
    # A damaged export may have a cycle of parents.
    while isinstance(at, str) and at in nodes and at not in seen:
        seen.add(at)
        node = nodes[at] if isinstance(nodes[at], Mapping) else {}
        if isinstance(node.get("message"), Mapping):
            yield node["message"]
        at = node.get("parent")
