"""Which files of a repository are read, and why others are not."""

import os
import stat
from pathlib import Path

from inweights.sources.plain import bytes_of, in_words, is_binary
from inweights.sources.refused import RefusedError
from inweights.sources.repository.ignored import Rules, excluded, is_ignored, rules_of
from inweights.sources.types import Skipped

MOST_BYTES = 512_000
"""Maximum bytes of one file; a larger one is data or generated."""
MOST_FILES = 50_000
HIDDEN = frozenset(
    ".git .hg .svn .DS_Store __pycache__ .mypy_cache .pytest_cache .ruff_cache .tox .nox .gradle .eggs "
    ".ipynb_checkpoints".split()
)
"""Left out without a note: folders in which tools keep their own files."""
VENDORED = frozenset("node_modules bower_components vendor third_party site-packages venv .venv Pods".split())
LOCKS = frozenset(
    "package-lock.json npm-shrinkwrap.json yarn.lock pnpm-lock.yaml poetry.lock uv.lock pdm.lock Pipfile.lock Cargo.lock "
    "Gemfile.lock composer.lock go.sum flake.lock bun.lock mix.lock pubspec.lock Podfile.lock packages.lock.json".split()
)
SECRET = frozenset({".env", ".netrc", ".npmrc", ".pypirc", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519"})
_SECRET_ENDINGS = (".pem", ".key", ".p12", ".pfx", ".keystore")
_MINIFIED_LINE = 5_000
_MADE = (".js", ".css", ".html", ".json", ".svg")
_MINIFIED_ENDINGS = (".min.js", ".min.css", ".map")


def files(root: Path) -> tuple[list[tuple[str, bytes]], list[Skipped]]:
    """The relative name and content of every file, in order, without files that git ignores; and what was skipped.

    Raises RefusedError where there are more than `MOST_FILES`.
    """
    kept: list[tuple[str, bytes]] = []
    skipped: list[Skipped] = []
    # A list of folders instead of recursion: folders may be nested more deeply than function calls.
    waiting: list[tuple[str, tuple[Rules, ...]]] = [("", excluded(root))]
    while waiting:
        folder, rules = waiting.pop()
        rules += rules_of(folder, root / folder / ".gitignore")
        for entry in _entries(root, folder, skipped):
            name = folder + entry.name
            if entry.name in HIDDEN or is_ignored(name + "/" * entry.is_dir(follow_symlinks=False), rules):
                continue
            if entry.is_dir(follow_symlinks=False) and entry.name not in VENDORED:
                waiting.append((name + "/", rules))
            elif reason := _reason(root, entry):
                skipped.append(Skipped(shown(name), reason))
            else:
                _add(root, name, kept, skipped)
    return sorted(kept), sorted(skipped, key=lambda each: each.source)


def shown(name: str) -> str:
    """File names are bytes; those that are not valid text are escaped."""
    return os.fsencode(name).decode(errors="replace")


def _entries(root: Path, folder: str, skipped: list[Skipped]) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(root / folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        skipped.append(Skipped(shown(folder), f"cannot be read: {error.strerror}"))
        return []


def _reason(root: Path, entry: "os.DirEntry[str]") -> str:
    """Why an entry is not read, as far as its name and type show; "" if it is."""
    name = entry.name
    if entry.is_symlink():
        try:
            inside = Path(entry.path).resolve().is_relative_to(root.resolve())
        except (OSError, RuntimeError):
            return "is a link that leads nowhere"
        return "is a link to what is read where it is" if inside else "is a link out of the repository"
    if entry.is_dir(follow_symlinks=False):
        return "holds other people's code"
    if not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
        return "is not a regular file"
    if name in SECRET or name.startswith(".env.") or name.endswith(_SECRET_ENDINGS):
        return "may hold secrets, which a model would learn"
    if name in LOCKS:
        return "was written by a package manager"
    return "is minified or generated" if name.endswith(_MINIFIED_ENDINGS) else ""


def _add(root: Path, name: str, kept: list[tuple[str, bytes]], skipped: list[Skipped]) -> None:
    if len(kept) >= MOST_FILES:
        raise RefusedError(root.name or str(root), f"has more than {MOST_FILES:,} files: give a part of it")
    try:
        content = bytes_of(root / name, shown(name), MOST_BYTES)
    except RefusedError as error:
        skipped.append(Skipped(shown(name), error.reason))
        return
    longest = max(map(len, content.split(b"\n")))
    if is_binary(content) and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        skipped.append(Skipped(shown(name), f"is binary ({in_words(len(content))})"))
    elif longest > _MINIFIED_LINE and Path(name).suffix in _MADE:
        skipped.append(Skipped(shown(name), "is minified or generated"))
    else:
        kept.append((name, content))
