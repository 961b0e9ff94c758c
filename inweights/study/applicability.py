"""Which methods run on which model, and why others do not; asked of the model's shapes, before its weights are read."""

from typing import Any, cast

from inweights.methods import DEFAULT_METHODS, METHODS, Method, method
from inweights.models.base import LanguageModel
from inweights.models.skeleton import skeleton
from inweights.settings import settings
from inweights.types import UserError


def why_not_applicable(tried: Method, model: str | LanguageModel) -> str:
    """Why the method does not run on the model, or on that of that name; "" where it does."""
    shape = skeleton(model) if isinstance(model, str) else model
    if shape.card.family not in tried.families:
        return f"it runs on {', '.join(tried.families)}, and {shape.card.name} is of the family {shape.card.family}"
    try:
        trainable(tried, shape)
    except UserError as error:
        return str(error)
    return ""


def trainable(tried: Method, model: LanguageModel) -> int:
    """Numbers of the backbone that the method may change. Raises UserError where its update has nothing to train."""
    if "update" not in settings(tried):
        return 0
    return sum(parameter.numel() for parameter in cast(Any, tried).update.apply(model, 0).parameters.values())


def default_methods(model: str | LanguageModel) -> tuple[list[str], dict[str, str]]:
    """What is compared on a model when nothing is said, and what is left out, by name with the reason."""
    family = (skeleton(model) if isinstance(model, str) else model).card.family
    names = [name for name in DEFAULT_METHODS if family in METHODS[name].families]
    reasons = {name: reason for name in names if (reason := why_not_applicable(method(name), model))}
    return [name for name in names if name not in reasons], reasons
