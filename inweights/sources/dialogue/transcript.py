"""Transcripts in plain text: lines `Name: text`, with or without time stamps and lines of dates."""

import re
from collections import Counter
from dataclasses import replace

from inweights.sources.dialogue.dates import absolute, is_date, with_day
from inweights.sources.dialogue.turns import Dialogue, Turn

_NUMBERS = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:\s?[AaPp]\.?[Mm]\.?)?"
_STAMP = rf"\[[^\]\n]*\d[^\]\n]*\]|\([^)\n]*\d[^)\n]*\)|{_NUMBERS}[, T]+{_CLOCK}|{_CLOCK}(?=\s)"
_NAME = r"[^\W\d_][\w.'’@&-]*(?: [\w.'’@&-]+){0,3}"
_BOLD = r"(?:\*\*)?"
_TURN = re.compile(
    rf"\s*(?P<stamp>{_STAMP})?\s*[-–]?\s*{_BOLD}(?P<name>{_NAME}){_BOLD}\s*(?P<after>\[[^\]]*\d[^\]]*\]|\([^)]*\d[^)]*\))?"
    rf"{_BOLD}:{_BOLD}(?:\s+(?P<text>.*)|$)"
)
_LONGEST_NAME = 40
_LONGEST_DATE = 60
_NO_NAMES = frozenset(
    "a answer author category code critical date debug edit error example explanation fatal file from http https info input "
    "instruction label name note notes output prompt q question response review sentence sentiment subject summary task "
    "text time title to todo trace update url usage version warn warning".split()
)
"""Words before a colon that are not names."""
_LEAST_TURNS = 4


def dialogue(text: str) -> tuple[Dialogue, str]:
    """The turns: each begins at a line with a name and takes the lines after it. And the text before the first turn."""
    turns: list[Turn] = []
    before: list[str] = []
    today, session = "", 0
    for line in text.split("\n"):
        match = None if _is_date_line(line) else _turn(line)
        if match:
            date = with_day(absolute((match["stamp"] or match["after"] or "").strip("[]() ")), today) or today
            turns.append(Turn(match["name"], (match["text"] or "").strip(), date, session=session))
        elif _is_date_line(line):
            today, session = absolute(line.strip(" -=*#_[]—–")), session + 1
        elif turns:
            turns[-1] = replace(turns[-1], text=f"{turns[-1].text}\n{line.strip()}".strip())
        else:
            before.append(line)
    said = tuple(turn for turn in turns if turn.text)
    return Dialogue(said, title=_title(before)), "" if _title(before) else "\n".join(before).strip()


def is_transcript(text: str) -> bool:
    """Whether several names occur repeatedly from the first lines on; other text has colons, too."""
    lines = [line for line in text.split("\n") if line.strip() and not _is_date_line(line)]
    names = Counter(match["name"] for match in map(_turn, lines) if match)
    turns = names.total()
    is_named = not any(name[0].islower() or name.lower() in _NO_NAMES for name in names)
    is_often = turns >= max(_LEAST_TURNS, 0.3 * len(lines)) and 2 <= len(names) <= turns / 2
    return is_named and is_often and any(map(_turn, lines[:3]))


def _turn(line: str) -> re.Match[str] | None:
    match = _TURN.match(line[:500])
    if match and len(match["name"]) <= _LONGEST_NAME:
        # Only the beginning of a long line was searched.
        return _TURN.match(line) if len(line) > 500 else match
    return None


def _is_date_line(line: str) -> bool:
    return len(line) <= _LONGEST_DATE and is_date(line) and (not _turn(line) or line.lower().startswith(("date", "session")))


def _title(before: list[str]) -> str:
    lines = [line.strip(" #*=-") for line in before if line.strip(" #*=-")]
    return lines[0] if len(lines) == 1 and len(lines[0]) <= 2 * _LONGEST_NAME else ""
