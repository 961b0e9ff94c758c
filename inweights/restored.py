"""Dataclasses from JSON: every field checked against its annotation, none unknown, none missing that has no default."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")
_SCALARS = {float: (int, float), str: (str,), int: (int,)}


def restored(kind: type[T], value: Any) -> T:
    """A value of the dataclass `kind`. Raises KeyError, TypeError or ValueError where the JSON is not one."""
    found: T = _dataclass(kind, value)
    return found


def _restored(kind: Any, value: Any) -> Any:
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any or kind is object:
        return value
    if is_dataclass(kind):
        return _dataclass(kind, value)
    if origin in (Union, types.UnionType):
        return None if value is None else _restored(next(each for each in inner if each is not type(None)), value)
    if origin is Literal:
        if value not in inner:
            raise ValueError(f"expected one of {', '.join(map(str, inner))}, got {value!r}"[:200])
        return value
    if origin is tuple:
        return _tuple(inner[0], _checked(value, list | tuple))
    if origin is not None and issubclass(origin, Mapping):
        return {str(name): _restored(inner[1], each) for name, each in _checked(value, Mapping).items()}
    return float(_checked(value, int | float)) if kind is float else _checked(value, kind)


def _tuple(kind: Any, values: Any) -> tuple[Any, ...]:
    # Records hold a score for each of thousands of examples.
    if kind in _SCALARS and set(map(type, values)) <= set(_SCALARS[kind]):
        return tuple(map(kind, values))
    return tuple(_restored(kind, each) for each in values)


def _dataclass(kind: Any, value: Any) -> Any:
    hints = _hints(kind)
    _checked(value, Mapping)
    for each in fields(kind):
        if each.name not in value and each.default is MISSING and each.default_factory is MISSING:
            raise KeyError(each.name)
    if unknown := set(value) - set(hints):
        raise ValueError(f"{kind.__name__} has no {', '.join(sorted(unknown))}")
    return kind(**{name: _restored(hints[name], each) for name, each in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {each.name: hints[each.name] for each in fields(kind)}


def _checked(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        raise TypeError(f"expected {getattr(kind, '__name__', kind)}, got {value!r}"[:200])
    return value
