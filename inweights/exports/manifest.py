"""`inweights.json`: what an export says of itself, so that it can be loaded, used and checked anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from inweights.cards import MANIFEST, read_card, refuse_changed, write_card
from inweights.models import locate
from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.restored import restored
from inweights.types import Example, UserError

FORMAT = 2
AGAIN = "export it again"

Form = Literal["prompt-pack", "adapter", "model"]


@dataclass(frozen=True)
class Base:
    """The backbone that an export was fitted on."""

    name: str
    """As `inweights.models.load` takes it: a short name, a hub name, or the whole path of a folder."""
    place: str
    """As transformers and PEFT take it: a hub name, or the whole path of a folder."""
    digest: str
    """Of its files, where it came from a folder."""
    weights: str
    """Of its weights in memory: the same for a folder and a hub's copy of it."""
    architecture: str
    dtype: str
    """fp32, bf16 or fp16."""
    tokenizer: str
    """Digest of the ids it gives the checked texts, 16 hexadecimal digits."""

    @property
    def torch_dtype(self) -> str:
        return {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}[self.dtype]


def base_of(model: Backbone, tokenizer: str) -> Base:
    """An export is bound to this; `tokenizer`: the digest that tells its tokenizer from others."""
    name = model.card.name
    return Base(
        name=str(Path(name).resolve()) if Path(name).exists() else name,
        place=place_of(name),
        digest=model.card.digest,
        weights=weights_digest(model.module),
        architecture=model.card.architecture,
        dtype=model.card.dtype,
        tokenizer=tokenizer,
    )


def place_of(name: str) -> str:
    """A folder by its whole path, so that it is found from anywhere on this machine; a hub name as it is."""
    located = locate(name)
    return str(Path(located).resolve()) if Path(located).is_dir() else located


@dataclass(frozen=True)
class Check:
    """One held example with the scores it had when the export was made."""

    example: Example
    texts: tuple[str, ...]
    """The whole text in front of the label word, one for each member of an ensemble: what plain libraries are given."""
    scores: tuple[float, ...]


@dataclass(frozen=True)
class UpdateValues:
    """How an adapter is put on: by PEFT, or by the hooks that the model card shows."""

    name: str
    settings: Mapping[str, Any]
    file: str
    """Holds its tensors."""
    peft: bool
    limits: str = ""


@dataclass(frozen=True)
class Manifest:
    """All of `inweights.json`."""

    form: Form
    base: Base
    readout: Mapping[str, Any]
    """Pattern, verbalizer, label map and what is read off: see readout_values.py."""
    checks: tuple[Check, ...]
    method: str = ""
    settings: Mapping[str, object] = field(default_factory=dict)
    update: UpdateValues | None = None
    """Of an adapter; None in the other forms."""
    files: Mapping[str, str] = field(default_factory=dict)
    """SHA-256 of every file that loading reads."""
    format: int = FORMAT

    @property
    def for_peft(self) -> bool:
        """Whether PEFT loads the folder."""
        return self.update is not None and self.update.peft


def write(manifest: Manifest, folder: Path) -> None:
    write_card(manifest, folder / MANIFEST)


def read(folder: Path) -> Manifest:
    """Raises UserError where the folder is not an export, or was changed."""
    if not folder.is_dir():
        raise UserError(f"there is no exported folder {folder}: give the one that `inweights best --export` wrote")
    path = folder / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} is not an export: it has no {MANIFEST}; `inweights best DIR --export {folder}` makes one")
    manifest = read_card(path, FORMAT, partial(restored, Manifest), AGAIN)
    refuse_changed(manifest.files, folder, AGAIN)
    return manifest
