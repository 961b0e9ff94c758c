"""`inweights methods`: what there is, and what of it runs on a model."""

from typing import Annotated

from typer import Option


def methods(
    model: Annotated[str | None, Option(help="Say for this model what runs and what does not, and why.")] = None,
    settings: Annotated[bool, Option("--settings", help="Every setting with its default.")] = False,
) -> None:
    """List the methods, and what of them runs on a model.

    Example: inweights methods --model gpt2
    """
    from inweights.methods import METHODS
    from inweights.settings import settings as settings_of

    fits = _fits(model) if model else {}
    for name, method in METHODS.items():
        doc = (type(method).__doc__ or "").strip().splitlines()[0]
        print(f"{name:16} {fits.get(name, doc)}")
        if settings:
            for key, value in settings_of(method).items():
                print(f"    {name}.{key}={value}")


def _fits(model: str) -> dict[str, str]:
    from typing import Any, cast

    from inweights import models
    from inweights.methods import METHODS
    from inweights.types import UserError

    loaded = models.load(model)
    print(f"{loaded.card.name}: {loaded.card.architecture}, {loaded.card.parameters:,} parameters, {loaded.card.dtype}")
    found = {}
    for name, method in METHODS.items():
        if loaded.card.family not in method.families:
            found[name] = f"no: runs on {', '.join(method.families)}, this is of the family {loaded.card.family}"
            continue
        found[name] = "yes"
        update = cast(Any, method).update if hasattr(method, "update") else None
        if update is not None:
            try:
                trained = sum(p.numel() for p in update.apply(loaded, seed=0).parameters.values())
                found[name] = f"yes, trains {trained:,} parameters of the backbone"
            except UserError as error:
                found[name] = f"no: {error}"
    return found
