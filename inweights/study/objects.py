"""What Python hands over besides names: tasks, methods, loaded models. A spec names them; these are the things named."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass

from inweights.methods import METHODS, Method, canonical, method
from inweights.models.base import Backbone
from inweights.settings import changed, settings
from inweights.types import Task, UserError, Weights


@dataclass(frozen=True)
class Objects:
    """Everything by the name that stands in the spec."""

    tasks: Mapping[str, Task] = field(default_factory=dict)
    methods: Mapping[str, Method] = field(default_factory=dict)
    models: Mapping[Weights, Backbone] = field(default_factory=dict)
    """Loaded ones, by name and dtype: another dtype of the same name is another model."""

    def method(self, name: str, overrides: Mapping[str, str] | None = None) -> Method:
        """The method of that name, the user's own first, with some settings changed."""
        if name not in self.methods:
            return method(name, overrides)
        found = self.methods[name]
        for path, text in (overrides or {}).items():
            found = changed(found, path, text)
        return found

    def canonical(self, name: str) -> str:
        return name if name in self.methods else canonical(name)

    def own_settings(self, name: str) -> dict[str, str]:
        """What tells a method of the user's own from others of its class, as text: it is part of a run's identity."""
        if name not in self.methods:
            return {}
        value, usual = self.methods[name], _usual(self.methods[name])
        return {path: str(each) for path, each in settings(value).items() if usual.get(path, MISSING) != each}

    def model(self, weights: Weights) -> str | Backbone:
        """The loaded model, or the name of one that is not loaded."""
        return self.models.get(weights, weights.name)


def _usual(value: Method) -> Mapping[str, object]:
    """The settings of a value of the same class that is made without arguments; empty where some are needed."""
    if not is_dataclass(value):
        return {}
    needed = [each for each in fields(value) if each.init and each.default is MISSING and each.default_factory is MISSING]
    return {} if needed else settings(type(value)())


def named_methods(methods: Sequence[str | Method] | Mapping[str, Method]) -> tuple[list[str], dict[str, Method]]:
    """Names for a spec, and the methods that are not known by their name alone.

    Raises UserError for what is not a method.
    """
    pairs = list(methods.items()) if isinstance(methods, Mapping) else [(_name(each), each) for each in methods]
    for _, each in pairs:
        if not isinstance(each, str | Method):
            raise UserError(
                f"{each!r} is not a method: expected a name, or an object with `needs` and `fit`, such as "
                "METHODS['pbft+lora']"
            )
    _refuse_one_name_for_two(pairs)
    own = {name: each for name, each in pairs if not isinstance(each, str) and METHODS.get(name) != each}
    return [name for name, _ in pairs], own


def _refuse_one_name_for_two(pairs: Sequence[tuple[str, str | Method]]) -> None:
    first: dict[str, str | Method] = {}
    for name, each in pairs:
        found = METHODS.get(each, each) if isinstance(each, str) else each
        if first.setdefault(name, found) != found:
            raise UserError(f"two methods are called {name}: give a dict of methods by name")


def _name(value: str | Method) -> str:
    if isinstance(value, str):
        return value
    return next((name for name, each in METHODS.items() if each == value), type(value).__name__.lower())
