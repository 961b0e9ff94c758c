"""Models as Python hands them over: names, paths, weights, backbones of `inweights.load`, models of transformers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from inweights.models.base import Backbone
from inweights.models.digest import weights_digest
from inweights.models.loading import DTYPES
from inweights.study.spec import in_dtype, with_whole_path
from inweights.types import UserError, Weights

Model = str | Path | Weights | Backbone | tuple[Any, Any]
"""The pair is a model of transformers with its tokenizer."""


def named_models(
    given: Model | Sequence[Model], study: Path, dtype: str | None = None
) -> tuple[list[str], dict[Weights, Backbone]]:
    """Names for a spec, and what is loaded already, by its name and dtype; `dtype`: of names without one."""
    several = isinstance(given, Sequence) and not isinstance(given, str) and not _is_pair(given)
    listed = cast("Sequence[Model]", given if several else [given])
    found = [_named(each, study) for each in listed]
    _refuse_one_name_for_two([(in_dtype(Weights.parse(name), dtype), model) for name, model in found])
    return [name for name, _ in found], {Weights.parse(name): model for name, model in found if model is not None}


def _refuse_one_name_for_two(found: Sequence[tuple[Weights, Backbone | None]]) -> None:
    first: dict[Weights, Backbone | None] = {}
    for weights, model in found:
        if first.setdefault(weights, model) is not model:
            raise UserError(f"two models are called {weights}, and one of them is loaded already: give one of the two")


def _is_pair(given: Any) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and hasattr(given[0], "save_pretrained")


def _named(given: Model, study: Path) -> tuple[str, Backbone | None]:
    if isinstance(given, str | Path | Weights):
        return str(with_whole_path(Weights.parse(str(given)))), None
    if isinstance(given, Backbone):
        loaded = Weights(given.card.name, dtype=given.card.dtype)  # type: ignore[arg-type]
        return str(with_whole_path(loaded)), given
    if _is_pair(given):
        return _kept(given[0], given[1], study), None
    raise UserError(
        f"{type(given).__name__} is not a model: expected a name, a path, Weights, what inweights.load gives, or a pair of "
        "a transformers model and its tokenizer"
    )


def _kept(module: Any, tokenizer: Any, study: Path) -> str:
    """The model in a folder of the study's own, so that its runs can be repeated and exported from there."""
    if getattr(module, "peft_config", None):
        raise UserError("the model has a PEFT adapter on: give model.merge_and_unload()")
    if getattr(module, "hf_quantizer", None):
        raise UserError("the model is quantized, which is not available yet: load it in bf16")
    dtype = next((short for short, each in DTYPES.items() if each == module.dtype), "fp32")
    folder = study / "models" / f"{type(module).__name__}-{weights_digest(module)}"
    if not (folder / "config.json").exists():
        module.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return str(Weights(str(folder), dtype=dtype))  # type: ignore[arg-type]
