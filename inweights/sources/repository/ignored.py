"""Files that git ignores: `.gitignore` of every folder, and `.git/info/exclude`."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from inweights.sources.plain import bytes_of
from inweights.sources.refused import RefusedError

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec


class Rules(NamedTuple):
    folder: str
    """The folder of the rules: relative, with a slash at its end; empty for the repository itself."""
    spec: "GitIgnoreSpec"


def excluded(root: Path) -> tuple[Rules, ...]:
    return rules_of("", root / ".git" / "info" / "exclude")


def rules_of(folder: str, path: Path) -> tuple[Rules, ...]:
    from pathspec import GitIgnoreSpec

    try:
        lines = bytes_of(path, path.name).decode(errors="replace").splitlines() if path.is_file() else []
    except RefusedError:
        return ()
    return (Rules(folder, GitIgnoreSpec.from_lines(_valid(lines))),) if lines else ()


def is_ignored(name: str, rules: tuple[Rules, ...]) -> bool:
    """Whether a path is ignored: the innermost folder with a rule for it decides."""
    for folder, spec in reversed(rules):
        include = spec.check_file(name[len(folder) :]).include
        if include is not None:
            return bool(include)
    return False


def _valid(lines: list[str]) -> Iterator[str]:
    """The patterns of a file, without invalid lines, which git skips, too."""
    from pathspec import GitIgnoreSpec

    for line in lines:
        try:
            GitIgnoreSpec.from_lines([line])
        except ValueError:
            continue
        yield line
