"""The kind of a file or folder, by its name and by its first bytes."""

from pathlib import Path
from typing import Literal

from inweights.sources import dialogue
from inweights.sources.dialogue import slack
from inweights.sources.folder import names_in
from inweights.sources.repository import is_code

FileKind = Literal["text", "markdown", "html", "pdf", "dialogue", "prompt", "code"]
DOCUMENTS: dict[str, FileKind] = {
    **dict.fromkeys((".md", ".markdown", ".mdown", ".mkd"), "markdown"),
    **dict.fromkeys((".html", ".htm", ".xhtml"), "html"),
    ".pdf": "pdf",
}
_KINDS: dict[str, FileKind] = {
    **DOCUMENTS,
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), "dialogue"),
    ".prompt": "prompt",
    ".ipynb": "code",
}
_START_BYTES = 65_536
_PAGES = (".html", ".htm", ".pdf")


def file_kind(path: Path) -> FileKind:
    """The kind of a file by its ending, or by its content where the ending does not tell it (`.txt`, none)."""
    suffix = path.suffix.lower()
    if suffix in _KINDS:
        return _KINDS[suffix]
    if is_code(path.name):
        return "code"
    with path.open("rb") as file:
        start = file.read(_START_BYTES)
    if start.startswith(b"%PDF-"):
        return "pdf"
    text = start.decode(errors="replace")
    if text.lstrip("\ufeff \t\r\n").lower().startswith(("<!doctype html", "<html")):
        return "html"
    # The last line may be incomplete, which makes no difference.
    return "dialogue" if dialogue.is_transcript(text) else "text"


def document_kind(path: Path) -> FileKind:
    """The kind of a file that is read as a document, and not as a dialogue, a prompt or code."""
    return DOCUMENTS.get(path.suffix.lower(), "text")


def folder_kind(folder: Path) -> Literal["slack", "repository", "files"]:
    """The kind of a folder. A repository has a `.git`, or more files of code than pages and PDFs."""
    if slack.is_export(folder):
        return "slack"
    if (folder / ".git").exists():
        return "repository"
    names = [Path(name) for name in names_in(folder)[0]]
    pages = sum(name.suffix.lower() in _PAGES for name in names)
    return "repository" if sum(is_code(name.name) for name in names) > pages else "files"
