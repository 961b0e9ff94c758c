"""Every method by name: in-context learning, and each kind of training with each update that it takes."""

import difflib
from collections.abc import Mapping
from types import MappingProxyType

from inweights.methods.base import Fitted, Kind, MaybeIndependent, Method, update_of
from inweights.methods.context_distillation import ContextDistillation
from inweights.methods.in_context import InContext
from inweights.methods.pattern import PatternFineTune
from inweights.methods.vanilla import HeadFineTune
from inweights.settings import changed
from inweights.types import UserError
from inweights.updates import UPDATES

KINDS: Mapping[str, Kind] = MappingProxyType(
    {"vanilla": HeadFineTune, "pbft": PatternFineTune, "distill": ContextDistillation}
)
METHODS: dict[str, Method] = {
    "zero-shot": InContext(demonstrations=0),
    "zero-shot+contextual": InContext(demonstrations=0, calibration="contextual"),
    "zero-shot+batch": InContext(demonstrations=0, calibration="batch"),
    "icl": InContext(),
    "icl+contextual": InContext(calibration="contextual"),
    "icl+batch": InContext(calibration="batch"),
    "icl+ensemble": InContext(members=4),
} | {
    kind if update == "full" else f"{kind}+{update}": KINDS[kind].of(UPDATES[update])
    for kind in KINDS
    for update in UPDATES
    if KINDS[kind].takes(UPDATES[update])
}
ALIASES: Mapping[str, str] = MappingProxyType({"adaptive": "pbft+last-blocks", "adaptive+head": "vanilla+last-blocks"})
DEFAULT_METHODS = (
    *("zero-shot", "zero-shot+batch", "icl", "icl+contextual", "icl+batch", "icl+ensemble"),
    *("vanilla", "vanilla+last-blocks", "vanilla+bitfit", "vanilla+lora", "vanilla+adapter", "vanilla+frozen"),
    *("pbft", "pbft+last-blocks", "pbft+bitfit", "pbft+lora", "pbft+adapter", "pbft+ia3", "pbft+prefix", "pbft+prompt"),
    *("distill", "distill+bitfit", "distill+lora", "distill+prefix", "distill+prompt"),
)
"""Compared when no method is named: every kind, and every update with the kind that it is mostly used with."""
_CALIBRATIONS = {
    "contextual": ["contextual calibration (Zhao et al. 2021, arXiv 2102.09690)"],
    "batch": ["batch calibration (Zhou et al. 2023, arXiv 2309.17249)"],
    "none": [],
}


def method(name: str, settings: Mapping[str, str] | None = None) -> Method:
    """The method of that name with some settings changed; `pbft+full` is `pbft`, `adaptive` is `pbft+last-blocks`.

    Raises UserError that names the nearest method or setting where there is none of that name.
    """
    plain = canonical(name)
    if plain not in METHODS:
        near = [name.partition("+")[0]] if name.endswith("+full") else difflib.get_close_matches(name, METHODS, n=1)
        hint = f"did you mean {near[0]}?" if near and near[0] in METHODS else f"there are {', '.join(METHODS)}"
        raise UserError(f"there is no method {name!r}; {hint}")
    found = METHODS[plain]
    if "schedule.lr" in (settings or {}):  # a rate that the user gives is not scaled by the width
        settings = {"schedule.width": "none", **(settings or {})}
    for path, text in (settings or {}).items():
        if path == "update":
            raise UserError(_by_name(plain.partition("+")[0], text))
        found = changed(found, path, text)
    return found


def canonical(name: str) -> str:
    """The name in METHODS of an alias, or of a name with the full update written out; any other name as it is."""
    kind, _, update = name.partition("+")
    return kind if update == "full" and kind in KINDS else ALIASES.get(name, name)


def _by_name(kind: str, update: str) -> str:
    there = [name for name in METHODS if name.partition("+")[0] == kind]
    named = canonical(f"{kind}+{update}")
    return f"update={update}: an update is chosen by the method's name: take {named if named in there else ', '.join(there)}"


def described(method: Method) -> str:
    """`Pattern-based fine-tuning (Schick & Schütze 2021, arXiv 2001.07676); LoRA (Hu et al. 2021, arXiv 2106.09685)`."""
    parts = [_title(method)]
    if isinstance(method, InContext):
        parts += ["without demonstrations"] if method.demonstrations == 0 else []
        parts += _CALIBRATIONS[method.calibration]
        parts += [f"mean of {method.members} prompts"] if method.members > 1 else []
    elif update := update_of(method):
        parts += [_title(update)]
    return "; ".join(parts)


def _title(value: object) -> str:
    """The first part of a class's docstring, up to the colon."""
    return (type(value).__doc__ or "").partition(": ")[0].splitlines()[0].strip()


__all__ = [
    "ALIASES",
    "DEFAULT_METHODS",
    "KINDS",
    "METHODS",
    "Fitted",
    "Kind",
    "MaybeIndependent",
    "Method",
    "canonical",
    "described",
    "method",
]
