"""A code repository: its file tree, what each file declares, and the code symbol by symbol."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from inweights.sources.markdown import markdown_sections
from inweights.sources.plain import bytes_of, decoded
from inweights.sources.refused import RefusedError
from inweights.sources.repository.code import code_sections, is_code
from inweights.sources.repository.files import MOST_BYTES, files, shown
from inweights.sources.repository.notebook import notebook_sections
from inweights.sources.text import text_sections
from inweights.sources.types import Context, Section, Skipped

__all__ = ["is_code", "read", "read_file"]


def read(folder: Path, source: str) -> Context:
    """Sources are relative to the folder. Raises RefusedError where it has no file that can be read."""
    found, skipped = files(folder)
    title = folder.resolve().name or source
    sections: list[Section] = []
    for name, content in found:
        try:
            sections += _file_sections(decoded(content, shown(name)), shown(name), title)
        except RefusedError as error:
            skipped.append(Skipped(error.source, error.reason))
    if not sections:
        why = "; ".join(f"{each.source} {each.reason}" for each in skipped[:5])
        raise RefusedError(source, f"has no file that can be read{f': {why}' if why else ', or .gitignore leaves out all'}")
    tree = Section(_tree([shown(name) for name, _ in found]), title, ("file tree",), ".")
    return Context((tree, *sections), tuple(skipped))


def read_file(path: Path, source: str) -> Context:
    """One file of code, or a notebook. Raises RefusedError."""
    return Context(tuple(_file_sections(decoded(bytes_of(path, source, MOST_BYTES), source), source, path.name)))


def _file_sections(text: str, source: str, title: str) -> Iterator[Section]:
    suffix = PurePosixPath(source).suffix.lower()
    if is_code(source):
        yield from code_sections(text, source, title)
    elif suffix == ".ipynb":
        yield from notebook_sections(text, source, title)
    else:
        sections = markdown_sections(text, source) if suffix in (".md", ".markdown") else text_sections(text, source)
        for section in sections:
            yield replace(section, title=title, path=(source, *section.path))


def _tree(names: Sequence[str]) -> str:
    """The file tree: every folder once, its contents indented below it."""
    found: list[str] = []
    above: list[str] = []
    for name in names:
        *folders, file = name.split("/")
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(folders, above, strict=False)))
        found += [f"{'  ' * depth}{folders[depth]}/" for depth in range(shared, len(folders))]
        found.append("  " * len(folders) + file)
        above = folders
    return "\n".join(found)
