"""Turns of a dialogue as sections: one for each session or day, with the date on every turn."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from inweights.sources.dialogue.dates import day
from inweights.sources.types import Section

_MOST_NAMED = 4
"""Maximum number of speakers in a title."""


@dataclass(frozen=True)
class Turn:
    speaker: str
    text: str
    date: str = ""
    """In the format of `dates.absolute`."""
    reply_to: str = ""
    """The speaker who is answered, if that is not the previous one."""
    session: int = 0

    @property
    def line(self) -> str:
        beside = ", ".join(part for part in (self.date, f"in reply to {self.reply_to}" if self.reply_to else "") if part)
        return f"{self.speaker} ({beside}): {self.text}" if beside else f"{self.speaker}: {self.text}"


@dataclass(frozen=True)
class Dialogue:
    turns: tuple[Turn, ...]
    title: str = ""
    path: tuple[str, ...] = ()


def dialogue_sections(dialogues: Sequence[Dialogue], source: str) -> Iterator[Section]:
    """A section for each session, or for each of its days; turns are counted through the whole dialogue, from 1."""
    titles = Counter(map(_title, dialogues))
    for number, dialogue in enumerate(dialogues, start=1):
        title = _title(dialogue)
        # Chats with an assistant would all have the same title.
        path = dialogue.path or ((f"dialogue {number}",) if titles[title] > 1 else ())
        place = f"dialogue {number}, " if len(dialogues) > 1 else ""
        first = 1
        for _, group in groupby(dialogue.turns, lambda turn: (turn.session, day(turn.date))):
            turns = list(group)
            last = first + len(turns) - 1
            where = place + (f"turn {first}" if first == last else f"turns {first}-{last}")
            text = "\n".join(turn.line for turn in turns)
            yield Section(text, title, path, source, where, ", ".join(_speakers(turns)), turns[0].date)
            first = last + 1


def _title(dialogue: Dialogue) -> str:
    speakers = _speakers(dialogue.turns)
    rest = [f"{len(speakers) - _MOST_NAMED} others"] if len(speakers) > _MOST_NAMED else []
    return dialogue.title or " and ".join([*speakers[:_MOST_NAMED], *rest])


def _speakers(turns: Sequence[Turn]) -> list[str]:
    """The speakers without repetition, in the order in which they first speak."""
    return list(dict.fromkeys(turn.speaker for turn in turns))
