"""`context_card.json`: what the export of a learned context says of itself, beside PEFT's own files."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from inweights.cards import CONTEXT_CARD, read_card, refuse_changed, write_card
from inweights.exports.manifest import Base
from inweights.learn_records import AGAIN, FORMAT, LearnReport
from inweights.restored import restored
from inweights.types import UserError

CONFIDENTIAL = (
    "What this adapter has learned can be extracted by asking it, and from a key/value prefix words of the text itself, "
    "whose keys and values it began as. It is as confidential as its sources, and so are its questions and answers."
)


@dataclass(frozen=True)
class NextTokens:
    """What one form predicts as the first token of an answer."""

    ids: tuple[int, ...]
    """The question's tokens as that form reads them."""
    tokens: tuple[int, ...]
    """The likeliest next ones, by falling probability."""
    log_probs: tuple[float, ...]
    """Of those; any loader of the folder must find the same."""


@dataclass(frozen=True)
class Probe:
    """A question that nothing was trained on, where there is one, with the answer of the export as it was made."""

    question: str
    answer: str
    """The first form's."""
    gold: str = ""
    next_tokens: Mapping[str, NextTokens] = field(default_factory=dict)
    """By form."""


@dataclass(frozen=True)
class Piece:
    source: str
    where: str
    digest: str


@dataclass(frozen=True)
class ContextCard:
    """All of the file."""

    forms: tuple[str, ...]
    """`lora`, `kv` or `merged`; of several, each has a folder of its name."""
    base: Base
    template: Mapping[str, Any]
    template_digest: str
    sources: Mapping[str, str]
    """SHA-256 of the text read from each."""
    paths: tuple[str, ...]
    """What was given to be learned, so that passages can be shown."""
    kind: str
    chunk_tokens: int
    pieces: tuple[Piece, ...]
    settings: Mapping[str, Any]
    report: LearnReport
    """What was measured."""
    probes: tuple[Probe, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file that loading reads."""
    confidential: str = CONFIDENTIAL
    format: int = FORMAT

    def folder_of(self, form: str, folder: Path) -> Path:
        """Where in `folder` the files of a form are."""
        return folder / form if len(self.forms) > 1 else folder


def write(card: ContextCard, folder: Path) -> None:
    write_card(card, folder / CONTEXT_CARD)


def read(folder: Path) -> ContextCard:
    """Raises UserError where the folder holds no learned context, or was changed."""
    path = folder / CONTEXT_CARD
    if not path.is_file():
        raise UserError(
            f"{folder} holds no learned context (it has no {CONTEXT_CARD}): give a folder that `inweights learn` wrote"
        )
    card = read_card(path, FORMAT, partial(restored, ContextCard), AGAIN)
    refuse_changed(card.files, folder, AGAIN)
    return card
