"""A context as plain values: sections of text with their places, examples, and what was skipped."""

import hashlib
import json
from dataclasses import astuple, dataclass


@dataclass(frozen=True)
class Section:
    """A piece of text and its place. All fields but the text may be empty."""

    text: str
    title: str = ""
    """The title of the document."""
    path: tuple[str, ...] = ()
    """The headings above it, outermost first."""
    source: str = ""
    """The file: as given, or relative to the folder or repository that was given."""
    where: str = ""
    """The place in the file: `page 3`, `pages 3-4`, `lines 10-24`, `turns 4-9`."""
    speaker: str = ""
    """The speakers of a dialogue, joined by commas."""
    date: str = ""
    """The absolute date of a dialogue."""

    @property
    def digest(self) -> str:
        return _digest(astuple(self))


@dataclass(frozen=True)
class Skipped:
    """A file that was not read, and the reason as the rest of a sentence that begins with its name."""

    source: str
    reason: str


@dataclass(frozen=True)
class Demonstration:
    """One example of a prompt; `query + answer` is exactly its text."""

    query: str
    """The text up to and with the label of the answer, such as `Review: great\\nSentiment:`."""
    answer: str
    """The text that a model has to write next, such as ` positive`, with its space."""


@dataclass(frozen=True)
class Context:
    """The text that would otherwise be in a model's prompt."""

    sections: tuple[Section, ...]
    skipped: tuple[Skipped, ...] = ()
    instruction: str = ""
    demonstrations: tuple[Demonstration, ...] = ()
    separator: str = "\n\n"
    """The text between two demonstrations."""

    @property
    def digest(self) -> str:
        """Of all that a model could read; not of what was skipped."""
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
    # JSON keeps fields apart: ("ab", "c") is not ("a", "bc"). As ASCII, every text can be encoded.
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()
