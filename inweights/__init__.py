"""inweights moves what is in the prompt into the weights, and knows when that pays."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inweights.models import load
    from inweights.study import Study, compare

__version__ = "0.1.0"
__all__ = ["Study", "__version__", "compare", "load"]


def __getattr__(name: str) -> Any:
    """`compare`, `Study` and `load` are imported when first asked for: they bring torch along."""
    if name in ("Study", "compare"):
        from inweights import study

        return getattr(study, name)
    if name == "load":
        from inweights.models import load

        return load
    raise AttributeError(f"module 'inweights' has no attribute {name!r}")
