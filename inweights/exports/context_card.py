"""`context_card.json`: what an adapter that stands for a context says of itself, beside PEFT's own files."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from inweights.exports.manifest import Base, digests
from inweights.records import write_whole
from inweights.types import UserError

NAME = "context_card.json"
FORMAT = 1
CONFIDENTIAL = (
    "What this adapter was taught can be got out of it by asking, and from a key/value prefix words of the text itself, "
    "whose keys and values it began as. It is as confidential as its sources, and so are its questions and answers."
)


@dataclass(frozen=True)
class Probe:
    """A question nothing was trained on, with what was answered when the adapter was made."""

    question: str
    answer: str
    """The adapted model's."""
    gold: str = ""
    ids: tuple[int, ...] = ()
    """The question's tokens as the adapted model reads them."""
    log_probs: tuple[float, ...] = ()
    """Of the likeliest tokens behind it, by falling probability: what a plain loader must find, too."""
    tokens: tuple[int, ...] = ()
    """Those tokens."""


@dataclass(frozen=True)
class Piece:
    source: str
    where: str
    digest: str


@dataclass(frozen=True)
class ContextCard:
    """All of the file."""

    forms: tuple[str, ...]
    """`lora`, `kv` or `merged`; of several, each is a folder of its name."""
    base: Base
    template: Mapping[str, Any]
    template_digest: str
    sources: Mapping[str, str]
    """SHA-256 of the text read from each."""
    paths: tuple[str, ...]
    """What was given to be learnt, so that passages can be shown."""
    kind: str
    chunk_tokens: int
    pieces: tuple[Piece, ...]
    settings: Mapping[str, Any]
    measured: Mapping[str, Any]
    probes: tuple[Probe, ...]
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file that loading reads."""
    confidential: str = CONFIDENTIAL
    format: int = FORMAT


def write(card: ContextCard, folder: Path) -> None:
    write_whole(folder / NAME, json.dumps(asdict(card), ensure_ascii=False, indent=1) + "\n")


def read(folder: Path) -> ContextCard:
    """Raises UserError where the folder holds no learnt context, or is not as it was made."""
    path = folder / NAME
    if not path.is_file():
        raise UserError(f"{folder} holds no learnt context (it has no {NAME}): give a folder that `inweights learn` wrote")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        if values["format"] != FORMAT:
            raise UserError(f"{path} is of format {values['format']}, this inweights reads {FORMAT}: learn it again")
        card = ContextCard(
            **{
                **values,
                "base": Base(**values["base"]),
                "pieces": tuple(Piece(**each) for each in values["pieces"]),
                "probes": tuple(_probe(each) for each in values["probes"]),
                "forms": tuple(values["forms"]),
                "paths": tuple(values["paths"]),
            }
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} cannot be read ({type(error).__name__}: {error}): learn it again") from error
    now = digests(folder)
    for name, digest in card.files.items():
        if now.get(name) != digest:
            what = "is missing" if name not in now else "is not what was learnt (its SHA-256 differs)"
            raise UserError(f"{folder / name} {what}: copy the folder again, or learn it again")
    return card


def _probe(values: dict[str, Any]) -> Probe:
    lists = {name: tuple(values[name]) for name in ("ids", "log_probs", "tokens")}
    return Probe(**{**values, **lists})
