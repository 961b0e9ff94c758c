"""A context as plain values: sections of text that know where they are from, examples, and what was left out."""

import hashlib
import json
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Section:
    """A piece of text, and where it is from. Everything but the text may be empty."""

    text: str
    title: str = ""
    """Of the document."""
    path: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    source: str = ""
    """The file: as given, or relative to the folder or repository that was given."""
    where: str = ""
    """In the file: `page 3`, `pages 3-4`, `lines 10-24`, `turns 4-9`."""
    speaker: str = ""
    """Who speaks in a dialogue, several joined by commas."""
    date: str = ""
    """When a dialogue took place, absolute."""

    @property
    def digest(self) -> str:
        return _digest(astuple(self))


@dataclass(frozen=True)
class Skipped:
    """A file that was not read, and the rest of a sentence that says why."""

    source: str
    reason: str


@dataclass(frozen=True)
class Demonstration:
    """One example of a prompt; `query + answer` is its text, with nothing lost between."""

    query: str
    """Up to and with the label of the answer, such as `Review: great\\nSentiment:`."""
    answer: str
    """What the model would have to write next, such as ` positive`, its space included."""


@dataclass(frozen=True)
class Context:
    """What a model would otherwise be given in its prompt."""

    sections: tuple[Section, ...]
    skipped: tuple[Skipped, ...] = ()
    instruction: str = ""
    demonstrations: tuple[Demonstration, ...] = ()
    separator: str = "\n\n"
    """Between two demonstrations."""

    @property
    def digest(self) -> str:
        """Of all that a model could read; what was skipped changes nothing."""
        demonstrations = [astuple(each) for each in self.demonstrations]
        return _digest([*(s.digest for s in self.sections), self.instruction, demonstrations, self.separator])

    @property
    def sources(self) -> dict[str, str]:
        """Each source's SHA-256 over the texts of its sections, in 64 hex digits."""
        texts: dict[str, list[str]] = {}
        for section in self.sections:
            texts.setdefault(section.source, []).append(section.text)
        return {source: _sha256(each) for source, each in texts.items()}


def _digest(values: object) -> str:
    return _sha256(values)[:16]


def _sha256(values: object) -> str:
    # JSON keeps the borders between fields: ("ab", "c") is not ("a", "bc"). In ASCII, no text fails to encode.
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
