"""Data flows one way: a module imports only from layers before its own, and heavy libraries stay where they belong."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "inweights"
LAYERS = (
    {"plain_text", "wording"},
    {"types", "restored"},
    {"settings", "records", "grammar", "sources", "metrics"},
    {"learn_records", "cache", "cards"},
    {"tasks", "engine", "meter", "report"},
    {"models"},
    {"scoring", "training", "merging"},
    {"updates", "readouts"},
    {"predictions"},
    {"methods"},
    {"context"},
    {"study"},
    {"exports"},
    {"learning"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
LATER = {"merging"}
"""Parts that have their place before they have a file."""
# The package itself is its front door: it may open on anything, and nothing but an entry point may go through it.
DOOR = {"__init__", "__main__"}
HOMES = {
    "torch": {
        "engine",
        "models",
        "scoring",
        "training",
        "merging",
        "updates",
        "readouts",
        "methods",
        "study",
        "exports",
        "context",
        "meter",
        "cli",
        "cache",
    },
    "transformers": {"engine", "models", "exports", "study"},
    "peft": {"exports", "updates"},
    "bitsandbytes": {"training"},
    "plotly": {"report"},
    "jinja2": {"report"},
    "scipy": {"report"},
    "typer": {"cli"},
    "rich": {"cli", "report", "study"},
    "pydantic": {"study", "exports"},
    "pyarrow": {"tasks"},
    "datasets": {"tasks"},
    "pypdf": {"sources"},
    "pathspec": {"sources"},
    "markdown_it": {"sources"},
    "bm25s": {"scoring"},
}


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, whole: `inweights.methods.base`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import: write the whole name"
            below = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from below if node.module == "inweights" else [node.module or ""]


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if part(path) not in DOOR)


def test_every_part_has_a_layer():
    assert {part(path) for path in files()} | LATER == set(LEVEL)


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down(path):
    for module in imported(path):
        name = module.split(".")[1] if module.startswith("inweights.") else ""
        if name in LEVEL and name != part(path):
            assert LEVEL[name] < LEVEL[part(path)], f"{path.relative_to(PACKAGE)} imports {module}, which is not below it"


def test_no_module_reaches_itself_through_its_imports():
    """Imports inside functions count: a cycle that only a call closes is one all the same."""
    graph = {module_name(path): set(modules_imported(path)) for path in PACKAGE.rglob("*.py")}
    waiting = dict(graph)
    while leaves := [name for name, needed in waiting.items() if not needed & set(waiting)]:
        for name in leaves:
            del waiting[name]
    # What is left either stands on a cycle or imports one that does.
    assert not waiting, f"import cycles among {sorted(waiting)}"


def module_name(path: Path) -> str:
    return ".".join(["inweights", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def modules_imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports when it runs; `from package import module` is an import of the module.

    What stands under `if TYPE_CHECKING` never runs.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [each for each in ast.walk(tree) if isinstance(each, ast.If) and ast.unparse(each.test) == "TYPE_CHECKING"]
    typing_only = {id(inner) for each in tests for inner in ast.walk(each)}
    for node in (each for each in ast.walk(tree) if id(each) not in typing_only):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        if isinstance(node, ast.ImportFrom):
            below = [(f"{node.module}.{name}", node.module) for name in names]
            names = [whole if is_module(whole) else str(package) for whole, package in below]
        yield from (name for name in names if name.split(".")[0] == "inweights")


def is_module(name: str) -> bool:
    place = PACKAGE.parent.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").exists()


@pytest.mark.parametrize("library", HOMES)
def test_a_foreign_library_is_imported_only_where_it_belongs(library):
    found = {part(path) for path in files() for module in imported(path) if module.split(".")[0] == library}
    assert found <= HOMES[library]


@pytest.mark.parametrize("name", ["types", "settings", "records", "grammar", "tasks", "report", "sources", "cli"])
def test_a_light_part_loads_no_heavy_library(name):
    """`inweights --help` and `inweights report` answer at once because of it."""
    code = f"import sys, inweights.{name}; print(*sorted({{'torch', 'transformers', 'plotly', 'scipy'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
