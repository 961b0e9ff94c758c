"""Which methods run on a model, and why others do not: from the model's shapes, before its weights are read."""

from inweights.methods import DEFAULT_METHODS, METHODS, Method, method
from inweights.methods.base import update_of
from inweights.models.base import Backbone
from inweights.models.skeleton import skeleton
from inweights.types import Example, Prompt, UserError


def why_not_applicable(tried: Method, model: str | Backbone) -> str:
    """The reason why the method does not run on the model, given or by name; "" where it does."""
    shape = skeleton(model) if isinstance(model, str) else model
    if missing := sorted(tried.needs - shape.card.abilities):
        return f"it needs {', '.join(missing)}, which a model of the family {shape.card.family} does not have"
    try:
        trainable(tried, shape)
    except UserError as error:
        return str(error)
    return ""


def check_label_words(model: str | Backbone, prompt: Prompt, example: Example) -> None:
    """Raises UserError where two label words have the same tokens."""
    query = prompt.query(example)
    if query.text:
        (skeleton(model) if isinstance(model, str) else model).tokenized([query])


def trainable(tried: Method, model: Backbone) -> int:
    """The number of backbone parameters that the method may change. Raises UserError where there are none to train."""
    update = update_of(tried)
    return sum(each.numel() for each in update.apply(model, 0).parameters.values()) if update else 0


def default_methods(model: str | Backbone) -> tuple[list[str], dict[str, str]]:
    """The methods that are compared on a model by default, and the reasons for those left out, by name."""
    abilities = (skeleton(model) if isinstance(model, str) else model).card.abilities
    names = [name for name in DEFAULT_METHODS if METHODS[name].needs <= abilities]
    reasons = {name: reason for name in names if (reason := why_not_applicable(method(name), model))}
    return [name for name in names if name not in reasons], reasons
