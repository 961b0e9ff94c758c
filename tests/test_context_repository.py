"""Repositories: what git leaves out stays out, every line of code is in one section, and what it declares is listed."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inweights.sources import read_sources, repository
from inweights.sources.repository.code import code_sections
from inweights.sources.repository.files import files
from inweights.types import UserError
from tests.code_samples import SAMPLES

ROOT = Path(__file__).parents[1]

PYTHON = '''"""Boats and their keepers."""

import os

SIZE = 3


# How a keeper is called.
@dataclass
class Keeper(Person, metaclass=Meta):
    """Keeps a light."""

    name: str = "x"

    def light(self, *, when: int = SIZE) -> bool:
        """Lights it.

        At dusk.
        """
        return True

    async def rest(self): ...


def boats(harbour): return 3
'''


def made(folder: Path, **content: str) -> Path:
    """Files by their names, `__` for a slash and `_dot_` for a dot."""
    for name, text in content.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def listed(text: str, name: str) -> list[str]:
    """What the symbol index says."""
    return next((each.text.split("\n") for each in code_sections(text, name, "r") if each.path[-1] == "symbols"), [])


def test_a_repository_begins_with_its_file_tree(tmp_path):
    made(tmp_path, README_dot_md="# R\n\nhi\n", a__b__c_dot_py="x = 1\n", a__b__d_dot_py="y = 1\n", a__z_dot_py="z = 1\n")
    tree = read_sources([tmp_path]).sections[0]
    assert tree.text.split("\n") == ["README.md", "a/", "  b/", "    c.py", "    d.py", "  z.py"]
    assert (tree.path, tree.title) == (("file tree",), tmp_path.name)


def test_a_python_file_lists_what_it_declares():
    assert listed(PYTHON, "a.py") == [
        "Boats and their keepers.",
        "class Keeper(Person, metaclass=Meta): Keeps a light.",
        "  def light(self, *, when: int=SIZE) -> bool: Lights it.",
        "  async def rest(self)",
        "def boats(harbour)",
    ]


def test_each_symbol_is_a_section_with_its_decorators_and_comments():
    found = list(code_sections(PYTHON, "a.py", "r"))[1:]
    assert [(each.path, each.where) for each in found] == [
        (("a.py",), "lines 1-5"),
        (("a.py", "Keeper"), "lines 8-22"),
        (("a.py", "boats"), "line 25"),
    ]
    assert found[1].text.startswith("# How a keeper is called.\n@dataclass\nclass Keeper")


def test_a_large_class_is_cut_at_its_methods():
    large = PYTHON.replace("At dusk.", "At dusk. " * 300)
    found = list(code_sections(large, "a.py", "r"))[1:]
    assert [each.path[1:] for each in found] == [(), ("Keeper",), ("Keeper.light",), ("Keeper.rest",), ("boats",)]


def test_every_line_of_this_repository_is_in_one_section():
    for path in sorted((ROOT / "inweights").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found = [each for each in code_sections(text, path.name, "r") if each.path[-1] != "symbols"]
        said = [line for each in found for line in each.text.split("\n") if line.strip()]
        assert said == [line for line in text.split("\n") if line.strip()]


def test_python_with_a_mistake_is_read_by_its_lines():
    assert listed(PYTHON + "\nprint 'old'\n", "a.py") == [
        "class Keeper(Person, metaclass=Meta)",
        "  def light(self, *, when: int = SIZE) -> bool",
        "  async def rest(self): ...",
        "def boats(harbour): return 3",
    ]


@pytest.mark.parametrize("text", ["(" * 5000, "-" * 200_000 + "1", "x = " + "[" * 3000 + "]" * 3000, "\0", "class"])
def test_python_made_to_break_its_parser_is_text(text):
    assert "".join(each.text for each in code_sections(text + "\ny = 1\n", "a.py", "r")).endswith("y = 1")


@pytest.mark.parametrize("name", SAMPLES)
def test_other_languages_are_read_by_their_lines(name):
    text, expected = SAMPLES[name]
    assert listed(text, name) == expected.splitlines()
    said = [each.text for each in code_sections(text, name, "r") if each.path[-1] != "symbols"]
    assert [line for each in said for line in each.split("\n") if line.strip()] == list(filter(str.strip, text.split("\n")))


def test_a_method_of_another_language_ends_where_it_is_closed():
    found = {each.path[1:]: each.where for each in code_sections(SAMPLES["a.c"].text, "a.c", "r")}
    assert found["boats",] == "lines 9-18"
    assert found["main",] == "lines 20-22"


def test_markdown_in_a_repository_keeps_its_headings_below_the_file(tmp_path):
    made(tmp_path, a_dot_py="x = 1\n", README_dot_md="# R\n\nhi\n\n## How\n\nso\n")
    found = {each.path: each for each in read_sources([tmp_path]).sections}
    assert found["README.md", "How"].where == "line 7"
    assert found["README.md", "How"].source == "README.md"


def test_cells_of_a_notebook_are_sections(tmp_path):
    cells = [
        {"cell_type": "markdown", "source": ["# Boats\n", "of all sorts"]},
        {"cell_type": "code", "source": "x = 1", "outputs": [{"text": "secret"}]},
        {"cell_type": "code", "source": []},
    ]
    (tmp_path / "a.ipynb").write_text(json.dumps({"cells": cells}))
    found = read_sources([tmp_path / "a.ipynb"]).sections
    assert [(each.text, each.where, each.path[1:]) for each in found] == [
        ("# Boats\nof all sorts", "cell 1", ("Boats",)),
        ("x = 1", "cell 2", ("Boats",)),
    ]
    (tmp_path / "a.ipynb").write_text("{}")
    with pytest.raises(UserError, match=r"a.ipynb is not a version 4 notebook"):
        read_sources([tmp_path / "a.ipynb"])


IGNORED = "build/\n*.log\n!important.log\n/sub/*\n!/sub/deep\n# no pattern\n\\#odd\n[bad\n"


def with_rules(folder: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    made(folder, _dot_gitignore=IGNORED, a___dot_gitignore="*.txt\n!keep.txt\n", keep___dot_gitignore="!x.log\nbuild\n")
    made(folder, a__1_dot_txt="x", a__keep_dot_txt="x", a__b__2_dot_txt="x", build__z_dot_py="x", x_dot_log="x")
    made(folder, important_dot_log="x", sub__f="x", sub__deep__g="x", keep__x_dot_log="x", keep__build="x", mine="x")
    (folder / "#odd").write_text("x")
    (folder / ".git" / "info" / "exclude").write_text("mine\n")
    return folder


def test_what_git_ignores_is_left_out_in_every_folder(tmp_path):
    found, skipped = files(with_rules(tmp_path))
    listing = ["git", "-C", str(tmp_path), "ls-files", "-co", "--exclude-standard"]
    of_git = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split()
    assert [name for name, _ in found] == sorted(of_git)
    assert not skipped


def test_links_are_never_followed(tmp_path):
    repo = made(tmp_path / "repo", a_dot_py="x = 1\n")
    (tmp_path / "secret.txt").write_text("secret")
    (repo / "out.txt").symlink_to(tmp_path / "secret.txt")
    (repo / "up").symlink_to(tmp_path)
    (repo / "in.py").symlink_to(repo / "a.py")
    (repo / "round").symlink_to(repo / "round")
    found = read_sources([repo])
    assert {each.source: each.reason for each in found.skipped} == {
        "in.py": "is a link to what is read where it is",
        "out.txt": "is a link out of the repository",
        "round": "is a link that leads nowhere",
        "up": "is a link out of the repository",
    }
    assert "secret" not in "".join(each.text for each in found.sections[1:])


def test_what_no_one_wrote_or_may_read_is_skipped_with_the_reason(tmp_path):
    made(tmp_path, a_dot_py="x = 1\n", node_modules__m__i_dot_js="x", poetry_dot_lock="x", _dot_env="KEY=1")
    (tmp_path / "b.js").write_text("x" * 6000)
    (tmp_path / "a.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "big.csv").write_bytes(b"1,2\n" * 200_000)
    (tmp_path / "latin.py").write_bytes(b"x = 'caf\xe9'\n")
    os.mkfifo(tmp_path / "pipe")
    reasons = {each.source: each.reason for each in read_sources([tmp_path]).skipped}
    assert reasons == {
        ".env": "may hold secrets, which a model would learn",
        "a.png": "is binary (6 bytes)",
        "b.js": "is minified or generated",
        "big.csv": "has 800 kB, more than the 512 kB that are read: split it",
        "latin.py": "is not UTF-8 text (invalid continuation byte at byte 8): save it as UTF-8",
        "node_modules": "holds other people's code",
        "pipe": "is not a regular file",
        "poetry.lock": "was written by a package manager",
    }


def test_a_repository_with_nothing_to_read_is_one_clear_line(tmp_path):
    made(tmp_path, _dot_gitignore="*\n", a_dot_py="x = 1\n")
    (tmp_path / ".git").mkdir()
    with pytest.raises(UserError, match=r" has no file that can be read, or .gitignore leaves out all$"):
        read_sources([tmp_path])
    with pytest.raises(UserError, match=r"a.py is a file, and a repository is a folder"):
        read_sources([tmp_path / "a.py"], kind="repository")


def test_folders_nested_deeper_than_calls_are_walked(tmp_path):
    deepest = tmp_path.joinpath(*["d"] * 150)
    deepest.mkdir(parents=True)
    (deepest / "a.py").write_text("x = 1\n")
    limit = sys.getrecursionlimit()
    # Fewer calls than folders, not more folders than calls: such a tree is hard to delete.
    sys.setrecursionlimit(len(inspect.stack(0)) + 100)
    try:
        found = repository.read(tmp_path, "r")
    finally:
        sys.setrecursionlimit(limit)
    assert [each.text for each in found.sections[1:]] == ["x = 1"]


def test_this_repository_reads_in_little_time():
    found = read_sources([ROOT])
    assert any(each.path == ("inweights/types/prompts.py", "Prompt.context") for each in found.sections)
    assert not any(each.source.startswith(".venv") for each in found.sections)
    assert found.sources.keys() >= {"README.md", "inweights/types/prompts.py"}
