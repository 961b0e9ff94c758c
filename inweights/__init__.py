"""inweights moves what is in the prompt into the weights, and knows when that pays."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inweights.exports.from_python import export
    from inweights.learning.from_python import learn
    from inweights.methods import METHODS
    from inweights.models import load
    from inweights.study import Study, compare
    from inweights.study.api import open_study as open
    from inweights.types import Example, Prompt, Query, Task, Weights
    from inweights.updates import UPDATES

__version__ = "0.1.0"
__all__ = [
    "METHODS",
    "UPDATES",
    "Example",
    "Prompt",
    "Query",
    "Study",
    "Task",
    "Weights",
    "__version__",
    "compare",
    "export",
    "learn",
    "load",
    "open",
]

_HOMES = {
    "METHODS": "inweights.methods",
    "UPDATES": "inweights.updates",
    "Example": "inweights.types",
    "Prompt": "inweights.types",
    "Query": "inweights.types",
    "Study": "inweights.study",
    "Task": "inweights.types",
    "Weights": "inweights.types",
    "compare": "inweights.study",
    "export": "inweights.exports.from_python",
    "learn": "inweights.learning.from_python",
    "load": "inweights.models",
    "open": "inweights.study.api",
}
"""Imported when first asked for: most bring torch along."""


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'inweights' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), "open_study" if name == "open" else name)


def __dir__() -> list[str]:
    return sorted(__all__)
