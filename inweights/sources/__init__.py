"""Contexts out of files and folders: text, Markdown, HTML, PDF, dialogues, code repositories, prompts with examples."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from inweights.sources import dialogue, html, kinds, markdown, pdf, prompt, repository, text
from inweights.sources.dialogue import slack
from inweights.sources.folder import names_in
from inweights.sources.refused import RefusedError
from inweights.sources.types import Context, Skipped
from inweights.types import UserError

Kind = Literal["auto", "prompt", "system", "text", "dialogue", "repository"]
READERS: dict[str, Callable[[Path, str], Context]] = {
    "text": text.read,
    "markdown": markdown.read,
    "html": html.read,
    "pdf": lambda path, source: pdf.read(path, source),
    "dialogue": dialogue.read,
    "prompt": prompt.read,
    "code": repository.read_file,
}
"""By kind of file, or by the ending of its name (`.srt`), which counts before the kind."""
_MOST_NAMED = 5
"""Maximum number of skipped files that an error names."""


def read_sources(paths: Sequence[Path | str], kind: Kind = "auto") -> Context:
    """All sources as one context, in the order given; what could not be read is in its `skipped`.

    `auto`: by the names of files and by what they hold; a folder with `.git` or code is a repository, of another one
    every file is read. `text`: as a document, whatever it looks like. Raises UserError for a path that is not there, and
    where nothing can be read.
    """
    if not paths:
        raise UserError("no source was given: name a file or a folder")
    each_once = list(dict.fromkeys(Path(path) for path in paths))
    if missing := [str(path) for path in each_once if not os.path.exists(path)]:
        raise UserError(f"there is no file or folder {missing[0]}")
    joined = _joined([_or_skipped(_folder if path.is_dir() else _file, path, str(path), kind) for path in each_once])
    if not joined.sections:
        raise UserError(_nothing(joined.skipped))
    return joined


def _or_skipped(read: Callable[[Path, str, Kind], Context], path: Path, source: str, kind: Kind) -> Context:
    try:
        return read(path, source, kind)
    except RefusedError as error:
        return Context((), (Skipped(error.source, error.reason),))
    except OSError as error:
        return Context((), (Skipped(source, f"cannot be read: {error.strerror or error}"),))


def _folder(folder: Path, source: str, kind: Kind) -> Context:
    found = kinds.folder_kind(folder) if kind in ("auto", "dialogue") else kind
    if found == "repository" and kind != "dialogue":
        return repository.read(folder, source)
    names, skipped = (slack.days(folder), []) if found == "slack" else names_in(folder)
    if not names and not skipped:
        raise RefusedError(source, "is an empty folder: give one with files")
    each = [_or_skipped(_file, folder / name, name, "dialogue" if found == "slack" else kind) for name in names]
    return _joined([Context((), tuple(skipped)), *each])


def _file(path: Path, source: str, kind: Kind) -> Context:
    """Raises RefusedError."""
    if kind == "repository":
        raise RefusedError(source, "is a file, and a repository is a folder: leave the kind out, or give the folder")
    if not path.is_file():
        raise RefusedError(source, "is not a regular file: give a file or a folder")
    by_name = kinds.document_kind(path) if kind == "text" else kinds.file_kind(path)
    asked: dict[Kind, kinds.FileKind] = {"prompt": "prompt", "system": "prompt", "dialogue": "dialogue"}
    by_ending = READERS.get(path.suffix.lower()) if kind == "auto" else None
    found = (by_ending or READERS[asked.get(kind, by_name)])(path, source)
    if not found.sections:
        raise RefusedError(source, "has no text")
    return found


def _joined(contexts: Sequence[Context]) -> Context:
    """All sections, instructions and demonstrations in order; the separator is that of the first prompt with examples."""
    separators = [each.separator for each in contexts if each.demonstrations]
    return Context(
        tuple(section for each in contexts for section in each.sections),
        tuple(skipped for each in contexts for skipped in each.skipped),
        "\n\n".join(each.instruction for each in contexts if each.instruction),
        tuple(demonstration for each in contexts for demonstration in each.demonstrations),
        separators[0] if separators else Context(()).separator,
    )


def _nothing(skipped: Sequence[Skipped]) -> str:
    named = "; ".join(f"{each.source} {each.reason}" for each in skipped[:_MOST_NAMED])
    rest = f"; and {len(skipped) - _MOST_NAMED} more" if len(skipped) > _MOST_NAMED else ""
    return named if len(skipped) == 1 else f"nothing can be read: {named}{rest}"
