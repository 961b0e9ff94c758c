"""`inweights methods`: all methods, and which of them run on a model."""

from typing import Annotated

from typer import Option

from inweights.types import Weights


def methods(
    model: Annotated[str | None, Option(help="Show for this model which methods run, and why others do not.")] = None,
    settings: Annotated[bool, Option("--settings", help="Every setting with its default.")] = False,
) -> None:
    """List the methods, and which of them run on a model. Its weights are not loaded.

    Example: inweights methods --model gpt2
    """
    from inweights.methods import ALIASES, DEFAULT_METHODS, METHODS, described
    from inweights.settings import settings as settings_of

    fits = _fits(model) if model else {}
    for name, method in METHODS.items():
        default = "*" if name in DEFAULT_METHODS else " "
        print(f"{default} {name:20} {fits.get(name, described(method))}")
        if settings:
            for key, value in settings_of(method).items():
                print(f"    {name}.{key}={value}")
    print("\n* compared when --methods names none; " + ", ".join(f"{alias} is {name}" for alias, name in ALIASES.items()))


def _fits(model: str) -> dict[str, str]:
    from inweights.methods import METHODS
    from inweights.models.skeleton import skeleton
    from inweights.study.applicability import trainable, why_not_applicable

    model = Weights.parse(model).name
    shape = skeleton(model)
    print(f"{model}: {shape.card.architecture}, {shape.card.parameters:,} parameters")
    found = {}
    for name, method in METHODS.items():
        if reason := why_not_applicable(method, model):
            found[name] = f"no: {reason}"
        else:
            trained = trainable(method, shape)
            found[name] = f"yes, may change {trained:,} parameters of the backbone" if trained else "yes"
    return found
