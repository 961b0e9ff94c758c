"""A conversation as one text: the user's and the assistant's turns, the user's last. A question without a history is one."""

from collections.abc import Sequence

BREAK = "\ufdd3"
"""Between two turns: a noncharacter, which no text has, so that a question is one string whether it has a history or not."""


def conversation(turns: Sequence[str]) -> str:
    return BREAK.join(turn.replace(BREAK, "") for turn in turns)


def turns(text: str) -> list[str]:
    """The user's first, then in turn."""
    return text.split(BREAK)


def spelled(text: str) -> str:
    """For people: the turns on one line."""
    return " / ".join(turns(text))
