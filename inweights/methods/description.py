"""A method in one line, with the papers it follows."""

from inweights.methods.base import Method, update_of
from inweights.methods.in_context import InContext

CALIBRATIONS = {
    "contextual": ["contextual calibration (Zhao et al. 2021, arXiv 2102.09690)"],
    "batch": ["batch calibration (Zhou et al. 2023, arXiv 2309.17249)"],
    "none": [],
}


def described(method: Method) -> str:
    """`Pattern-based fine-tuning (Schick & Schütze 2021, arXiv 2001.07676); LoRA (Hu et al. 2021, arXiv 2106.09685)`."""
    parts = [_title(method)]
    if isinstance(method, InContext):
        parts += ["without demonstrations"] if method.demonstrations == 0 else []
        parts += CALIBRATIONS[method.calibration]
        parts += [f"mean of {method.members} prompts"] if method.members > 1 else []
    elif update := update_of(method):
        parts += [_title(update)]
    return "; ".join(parts)


def _title(value: object) -> str:
    """What a class's docstring begins with, up to the colon."""
    return (type(value).__doc__ or "").partition(": ")[0].splitlines()[0].strip()
