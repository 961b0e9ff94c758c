"""The README keeps its word: the two commands, the files it names, the code it shows."""

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def test_it_opens_with_exactly_two_commands_that_exist():
    first = TEXT.split("\n\n")[1].splitlines()
    assert [line.split("#")[0].split() for line in first] == [["make", "demo"], ["make", "test"]]
    targets = (ROOT / "Makefile").read_text()
    assert "\ndemo:" in targets
    assert "\ntest:" in targets


def test_every_file_it_links_to_is_there():
    for page in ("README.md", "docs/benchmarks.md", "docs/design.md", "docs/contexts.md", "CONTRIBUTING.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
            assert link.startswith("https:") or (ROOT / page).parent.joinpath(link).exists(), f"{page}: {link}"


def test_every_method_is_in_its_table():
    from inweights.methods import METHODS

    assert not [name for name in METHODS if f"`{name}`" not in TEXT]


def test_its_tables_are_those_of_the_records():
    spec = importlib.util.spec_from_file_location("readme", ROOT / "benchmarks" / "readme.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for page in module.PAGES:
        assert module.filled(page.read_text()) == page.read_text()
