"""A prompt with examples, split into the instruction, the demonstrations and the text between them."""

from pathlib import Path

from inweights.sources.plain import text_of
from inweights.sources.prompt.blocks import arrowed, headed, tagged
from inweights.sources.prompt.labels import labelled
from inweights.sources.prompt.messages import chatted, messages
from inweights.sources.prompt.parsed import Parsed
from inweights.sources.refused import RefusedError
from inweights.sources.text import lines
from inweights.sources.types import Context, Section

MOST_BYTES = 2_000_000
"""Maximum bytes: more than any model's prompt can have."""


def read(path: Path, source: str) -> Context:
    """One section with the whole prompt, without a title: a model should read nothing that is not in the prompt.

    Raises RefusedError where it is empty.
    """
    text = text_of(path, source, MOST_BYTES)
    if not text.strip():
        raise RefusedError(source, "is an empty prompt")
    chat = messages(text)
    found = chatted(chat) if chat else taken_apart(text)
    whole = as_text(found) if chat else text.strip()
    section = Section(whole, source=source, where=lines(1, text.rstrip().count("\n") + 1))
    return Context((section,), (), found.instruction, found.demonstrations, found.separator)


def taken_apart(text: str) -> Parsed:
    """Split by tags, labels, headings or arrows: the first of these that occurs. Without examples all is instruction."""
    for parse in (tagged, labelled, headed, arrowed):
        found = parse(text)
        if found and found.demonstrations:
            return found
    return Parsed(text.strip(), ())


def as_text(prompt: Parsed) -> str:
    demonstrations = prompt.separator.join(each.query + each.answer for each in prompt.demonstrations)
    return "\n\n".join(part for part in (prompt.instruction, demonstrations) if part)
