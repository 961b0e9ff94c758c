"""Questions about a piece of a context: a user's own from a file, or written by the model behind the piece."""

import json
import random
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from inweights.context.chunks import Chunk
from inweights.context.qa_tokens import AT_ONCE, Question, answers, asked
from inweights.context.template import Template
from inweights.models.base import LanguageModel
from inweights.models.decoding import Choose, continued, end_ids, sampling
from inweights.scoring.shared_prefix import common
from inweights.types import UserError

REQUESTS = (
    "Ask one question that can be answered from this material, about a particular detail of it.",
    "Ask for a summary of one part of this material; name the part.",
    "Ask for some of the information in this material to be put into a list or table; name what.",
    "Ask one question that somebody would have who has to use this material in their work.",
    "Ask for something creative to be written from one detail of this material; name the detail.",
)
"""To a model that chats (after the five kinds of Eyuboglu et al. 2025, section 4.1)."""
ABSENT = "Ask one question on the subject of this material that it gives no answer to."
ABSENT_SHARE = 0.1
"""Of the questions: without any, a student learns that everything has been said."""
ALONE = (
    " Reply with the question alone, so that it can be understood without the material: "
    "name the section, the person and date, or the file and symbol that it is about."
)
BEGINNINGS = ("", "", "What", "Who", "Where", "When", "Why", "How", "Which", "List", "Summarise")
"""Of questions, for a model that goes on with text."""
LONGEST = 48
"""Tokens of a question."""
_POINTING = re.compile(
    r"\b(?:according to|(?:in|from|of|by) (?:the|this) (?:text|passage|document|material|context|article|excerpt))\b", re.I
)
_FIELDS = {"question", "query", "text"}


def from_file(path: Path) -> list[Question]:
    """JSON Lines with `question` and perhaps `answer` and `kind`, or one question a line.

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
        raise UserError(f"{where} is no JSON ({error.msg})") from error
    named = [name for name in _FIELDS if isinstance(values.get(name), str) and values[name].strip()]
    if len(named) != 1:
        raise UserError(f'{where} has the fields {", ".join(values)}: "question" is wanted, and perhaps "answer" and "kind"')
    place = values.get("place")
    return Question(
        values[named[0]].strip(),
        gold="" if values.get("answer") is None else str(values["answer"]),
        kind="" if values.get("kind") is None else str(values["kind"]),
        place=float(place) if isinstance(place, int | float) else None,
    )


@torch.no_grad()
def written(
    model: LanguageModel, template: Template, chunk: Chunk, number: int, count: int, seed: int, known: Collection[str] = ()
) -> list[Question]:
    """Up to `count` new questions about the piece, at temperature 1; gives up after three times as many attempts."""
    rng = random.Random(f"questions {seed} {chunk.digest} {len(known)}")
    choose = sampling(1.0, torch.Generator().manual_seed(rng.getrandbits(63)))
    said = {normal(each) for each in known}
    found: list[Question] = []
    for _ in range(3):
        missing = count - len(found)
        if missing < 1:
            break
        texts = _asked(model, template, chunk, missing, choose, rng)
        for text in texts:
            if usable(text) and normal(text) not in said and len(found) < count:
                said.add(normal(text))
                found.append(Question(text, number))
    return found


def _asked(
    model: LanguageModel, template: Template, chunk: Chunk, count: int, choose: Choose, rng: random.Random
) -> list[str]:
    if not template.end:  # a chat's turns end by themselves
        requests = [(ABSENT if rng.random() < ABSENT_SHARE else rng.choice(REQUESTS)) + ALONE for _ in range(count)]
        read = asked(model, template, chunk.text, requests)
        short = replace(template, answer_tokens=min(2 * LONGEST, template.answer_tokens))
        replies = answers(model, short, read.prefix, read.behind, choose)
        return [_first_line(model.decode(each)) for each in replies]
    slot = template.context(chunk.text).rstrip(" ")
    # An input of a prompt's examples is no question.
    starts = [rng.choice(BEGINNINGS if "Question" in template.alone else ("",)) for _ in range(count)]
    shared = model.encode([slot])[0]
    stems = [model.encode([f"{slot} {start}" if start else slot])[0] for start in starts]
    # The last shared token is read with each: a beginning may have merged with it.
    alike = min([len(shared) - 1, *(common(shared, stem) for stem in stems)])
    stop = end_ids(model, template.end)
    prefix = model.prefix(shared[:alike]) if alike else None
    before = model.decode(shared[max(0, alike - 4) :])
    tail = template.asked("").split("\n")[0].strip()
    found = []
    for first in range(0, count, AT_ONCE):
        part = stems[first : first + AT_ONCE]
        said = continued(model, [stem[alike:] for stem in part], prefix, LONGEST, stop, choose)
        for start, stem, tokens in zip(starts[first : first + AT_ONCE], part, said, strict=True):
            whole = tokens[-1] in stop
            # Decoded with a few tokens in front: many tokenizers drop the space a text begins with.
            ids = [*stem[max(0, alike - 4) :], *(tokens[:-1] if whole else tokens)]
            text = _first_line(model.decode(ids).removeprefix(before))
            # The likeliest token after `What` may go on with the word.
            if start and text.strip()[len(start) : len(start) + 1].isalnum():
                continue
            # What a pattern puts behind a question is no part of it.
            text = text.partition(tail)[0].strip() if tail else text
            found.append(text if whole else _to_mark(text))
    return found


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


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.strip().splitlines()]
    return lines[0].strip('"') if lines else ""


def _to_mark(text: str) -> str:
    """Up to the first question mark of a text that did not end."""
    head, mark, _ = text.partition("?")
    return head + mark if mark else ""
