"""Notebooks: the sources of their cells, without outputs."""

import json
from collections.abc import Iterator

from inweights.sources.refused import RefusedError
from inweights.sources.types import Section


def notebook_sections(text: str, source: str, title: str) -> Iterator[Section]:
    """A section for each cell, under the last heading above it. Raises RefusedError where the file is not a notebook."""
    try:
        value = json.loads(text)
        cells = [(str(cell["cell_type"]), _joined(cell["source"])) for cell in value["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RefusedError(source, "is not a version 4 notebook: save it again with Jupyter") from error
    heading = ""
    for number, (kind, content) in enumerate(cells, start=1):
        first = content.strip().split("\n")[0]
        if kind == "markdown" and first.startswith("#"):
            heading = first.lstrip("# ")
        if content.strip():
            yield Section(content.strip("\n"), title, (source, heading) if heading else (source,), source, f"cell {number}")


def _joined(lines: str | list[str]) -> str:
    return lines if isinstance(lines, str) else "".join(lines)
