"""The parts of a prompt with examples."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from inweights.sources.types import Demonstration


@dataclass(frozen=True)
class Parsed:
    """`separator.join(query + answer)` over the demonstrations is, letter by letter, a part of the prompt.

    Where the prompt has different texts between demonstrations, the separator is the commonest of them.
    """

    instruction: str
    demonstrations: tuple[Demonstration, ...]
    separator: str = "\n\n"


@dataclass(frozen=True)
class Span:
    """The place of a demonstration in a prompt: its beginning, that of its answer, and the answer's end."""

    begin: int
    answer: int
    end: int


def parsed(text: str, spans: Sequence[Span], before: str, after: str, last: int | None = None) -> Parsed:
    """The instruction is the text `before` and `after` the demonstrations; `last`: where the text after them begins."""
    begins = [*(span.begin for span in spans[1:]), *([last] if last is not None else [])]
    between = [text[span.end : begin] for span, begin in zip(spans, begins, strict=False)]
    separator = Counter(between).most_common(1)[0][0] if between else "\n\n"
    demonstrations = tuple(Demonstration(text[s.begin : s.answer], text[s.answer : s.end]) for s in spans)
    instruction = "\n\n".join(part.strip() for part in (before, after) if part.strip())
    return Parsed(instruction, demonstrations, separator)


def trimmed(text: str, begin: int, end: int) -> tuple[int, int]:
    """The span without white space around it."""
    part = text[begin:end]
    return begin + len(part) - len(part.lstrip()), begin + len(part.rstrip())
