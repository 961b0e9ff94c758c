"""Which methods run on which model, and why others do not; known from the model's shapes, before its weights are read."""

from inweights.methods import DEFAULT_METHODS, METHODS, Method, method
from inweights.methods.base import update_of
from inweights.models.base import Backbone
from inweights.models.skeleton import skeleton
from inweights.types import Example, Prompt, UserError


def why_not_applicable(tried: Method, model: str | Backbone) -> str:
    """Why the method does not run on the model, or on that of that name; "" where it does."""
    shape = skeleton(model) if isinstance(model, str) else model
    if missing := sorted(tried.needs - shape.card.abilities):
        return f"it needs {', '.join(missing)}, which a model of the family {shape.card.family} does not have"
    try:
        trainable(tried, shape)
    except UserError as error:
        return str(error)
    return ""


def check_label_words(model: str | Backbone, prompt: Prompt, example: Example) -> None:
    """Raises UserError where the model's tokens do not tell two label words apart."""
    query = prompt.query(example)
    if query.text:
        (skeleton(model) if isinstance(model, str) else model).tokenized([query])


def trainable(tried: Method, model: Backbone) -> int:
    """Numbers of the backbone that the method may change. Raises UserError where its update has nothing to train."""
    update = update_of(tried)
    return sum(each.numel() for each in update.apply(model, 0).parameters.values()) if update else 0


def default_methods(model: str | Backbone) -> tuple[list[str], dict[str, str]]:
    """The methods that are compared on a model by default, and those left out, by name with the reason."""
    abilities = (skeleton(model) if isinstance(model, str) else model).card.abilities
    names = [name for name in DEFAULT_METHODS if METHODS[name].needs <= abilities]
    reasons = {name: reason for name in names if (reason := why_not_applicable(method(name), model))}
    return [name for name in names if name not in reasons], reasons
