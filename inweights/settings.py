"""Read and change the settings of a method, which are its dataclass fields."""

import dataclasses
import difflib
import math
import types
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from inweights.types import UserError


def settings(value: object) -> dict[str, object]:
    """Nested dataclasses as a flat dict: `{"lr": 0.01, "update": "LoRA", "update.rank": 8}`; plain JSON values only."""
    flat: dict[str, object] = {}
    for name in _names(value):
        inner = getattr(value, name)
        if is_dataclass(inner) and not isinstance(inner, type):
            flat[name] = type(inner).__name__
            flat |= {f"{name}.{key}": deep for key, deep in settings(inner).items()}
        else:
            flat[name] = list(inner) if isinstance(inner, tuple) else inner
    return flat


def changed(value: Any, path: str, text: str) -> Any:
    """A copy with the setting at a dotted `path` set to `text`, read as that field's type.

    Raises UserError where there is no such setting, or where `text` does not read as its type.
    """
    return _changed(value, path, text, path)


def _changed(value: Any, path: str, text: str, whole: str) -> Any:
    name, _, rest = path.partition(".")
    names = _names(value)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(names) or 'none'}"
        raise UserError(f"{type(value).__name__} has no setting {name!r}; {hint}")
    inner = getattr(value, name)
    if rest and not is_dataclass(inner):
        raise UserError(f"{whole!r} is not a setting: {name!r} is a value, not a group of settings")
    if rest:
        return replace(value, **{name: _changed(inner, rest, text, whole)})
    if is_dataclass(inner):
        own = f"set one of its own: {', '.join(_names(inner))}" if _names(inner) else f"{type(inner).__name__} has none"
        raise UserError(f"{whole!r} is a group of settings, not a value; {own}")
    hint = get_type_hints(type(value))[name]
    try:
        parsed = _parsed(text, hint)
    except ValueError as error:
        raise UserError(f"{text!r} is not a valid {whole}: expected {_spelled(hint)}") from error
    return replace(value, **{name: parsed})


def field_of(value: object, name: str) -> Any:
    """The field of that name; None where the value has no such field."""
    return getattr(value, name) if name in _names(value) else None


def _names(value: Any) -> list[str]:
    return [field.name for field in fields(value)] if dataclasses.is_dataclass(value) else []


def _parsed(text: str, hint: Any) -> Any:
    if get_origin(hint) is Literal:
        for choice in get_args(hint):
            if str(choice) == text:
                return choice
        raise ValueError(text)
    if get_origin(hint) in (Union, types.UnionType):
        if text.lower() in ("none", "null") and type(None) in get_args(hint):
            return None
        return _parsed(text, next(each for each in get_args(hint) if each is not type(None)))
    if get_origin(hint) is tuple:
        return tuple(_parsed(each, get_args(hint)[0]) for each in text.split(",") if each)
    if hint is bool:
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    parsed = hint(text)
    if isinstance(parsed, float) and not math.isfinite(parsed):
        raise ValueError(text)
    return parsed


def _spelled(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join("none" if each is type(None) else _spelled(each) for each in get_args(hint))
    return {int: "an integer", float: "a number", bool: "true or false"}.get(hint, str(hint))
