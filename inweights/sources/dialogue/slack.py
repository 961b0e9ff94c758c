"""A Slack export: a folder for each channel, in it a file for each day, and `users.json` with the names."""

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inweights.sources.dialogue.dates import absolute
from inweights.sources.dialogue.turns import Dialogue, Turn

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\.json")
_LINK = re.compile(r"<([^<>|]*)(?:\|([^<>]*))?>")
_COMINGS = ("channel_join", "channel_leave", "group_join", "group_leave")


def is_messages(value: object) -> bool:
    """Whether the value is a list of objects with a time in the form that only Slack uses."""
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) and _is_message(each) for each in value)


def is_export(folder: Path) -> bool:
    """Whether the folder holds all channels of an export, or one of them."""
    return _is_channel(folder) or ((folder / "users.json").is_file() and any(map(_is_channel, folder.iterdir())))


def days(folder: Path) -> list[str]:
    """The files with an export's messages, relative to it, in the order of their days."""
    channels = [folder] if _is_channel(folder) else sorted(each for each in folder.iterdir() if _is_channel(each))
    paths = [path for channel in channels for path in sorted(channel.iterdir()) if _DAY.fullmatch(path.name)]
    return [path.relative_to(folder).as_posix() for path in paths]


def dialogue(messages: list[Mapping[str, Any]], path: Path) -> Dialogue:
    """One day of a channel; replies follow the message that they answer."""
    names = _names(path)
    in_order = sorted(messages, key=lambda each: (_seconds(each.get("thread_ts") or each["ts"]), _seconds(each["ts"])))
    speakers = {each["ts"]: _speaker(each, names) for each in in_order}
    turns = []
    for each in in_order:
        text = _text(str(each.get("text") or ""), names)
        thread = each.get("thread_ts", each["ts"])
        parent = str(each.get("parent_user_id", ""))
        reply_to = speakers.get(thread) or names.get(parent, parent) if thread != each["ts"] else ""
        if text and each.get("subtype") not in _COMINGS:
            turns.append(Turn(speakers[each["ts"]], text, absolute(each["ts"]), reply_to))
    return Dialogue(tuple(turns), f"#{path.parent.name}", (path.stem,) if not _DAY.fullmatch(path.name) else ())


def _is_channel(folder: Path) -> bool:
    return folder.is_dir() and any(_DAY.fullmatch(each.name) for each in folder.iterdir())


def _is_message(value: Mapping[str, Any]) -> bool:
    has_time = isinstance(value.get("ts"), str) and re.fullmatch(r"\d+\.\d+", value["ts"])
    return bool(has_time) and any(key in value for key in ("user", "bot_id", "username", "subtype"))


def _seconds(stamp: object) -> float:
    return float(stamp) if isinstance(stamp, str) and re.fullmatch(r"\d+(\.\d+)?", stamp) else 0.0


def _names(path: Path) -> dict[str, str]:
    """Names by id, from the export that the file is part of; people without a name there are called by their ids."""
    for folder in path.resolve().parents[:2]:
        try:
            users = json.loads((folder / "users.json").read_text(encoding="utf-8"))
            return {each["id"]: _name(each) for each in users}
        except (OSError, ValueError, TypeError, KeyError):
            continue
    return {}


def _name(user: Mapping[str, Any]) -> str:
    profile = user.get("profile") or {}
    names = (profile.get("display_name"), profile.get("real_name"), user.get("real_name"), user.get("name"))
    return str(next(filter(None, names), user["id"]))


def _speaker(message: Mapping[str, Any], names: Mapping[str, str]) -> str:
    user = str(message.get("user") or "")
    profile = message.get("user_profile") or {}
    return str(names.get(user) or profile.get("real_name") or message.get("username") or user or "a bot")


def _text(text: str, names: Mapping[str, str]) -> str:
    """Mentions as names, links as their texts: `<@U1>` is `@Ann`, `<https://x|this>` is `this`."""

    def said(match: re.Match[str]) -> str:
        target, label = match[1], match[2]
        if target.startswith("@"):
            return "@" + (label or names.get(target[1:], target[1:]))
        return label or target.lstrip("#!")

    return html.unescape(_LINK.sub(said, text)).strip()
