"""The declarations of a Python file, from Python's own parser."""

import ast
import warnings
from collections.abc import Iterator, Sequence

from inweights.sources.repository.symbols import Symbol

_LONGEST_SIGNATURE = 300
_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def python_symbols(text: str) -> tuple[list[Symbol], str] | None:
    """The symbols, and the first line of the file's docstring. None where the running Python cannot parse it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
        return list(_symbols(tree.body, text.split("\n"), "")), _summary(tree)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _symbols(body: Sequence[ast.stmt], lines: Sequence[str], owner: str) -> Iterator[Symbol]:
    for node in body:
        if isinstance(node, _Definition):
            members = tuple(_symbols(node.body, lines, f"{owner}{node.name}.")) if isinstance(node, ast.ClassDef) else ()
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            last = node.end_lineno or node.lineno
            yield Symbol(owner + node.name, _signature(node), first, last, _summary(node), members)


def _signature(node: _Definition) -> str:
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, [*node.bases, *node.keywords]))
        text = f"class {node.name}({bases})" if bases else f"class {node.name}"
    else:
        kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
        given = f" -> {ast.unparse(node.returns)}" if node.returns else ""
        text = f"{kind} {node.name}({ast.unparse(node.args)}){given}"
    return text if len(text) <= _LONGEST_SIGNATURE else text[:_LONGEST_SIGNATURE] + "..."


def _summary(node: _Definition | ast.Module) -> str:
    lines = (ast.get_docstring(node) or "").strip().split("\n")
    return lines[0].strip()
