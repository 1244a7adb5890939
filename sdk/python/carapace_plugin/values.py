"""Plain values for what the generated bindings speak in, and back.

Plain values are what travels between worker and gateway: records are dictionaries with
snake_case keys, enums their kebab-case names, flags lists of names, variants
`{"tag": ..., "value": ...}`, results `{"ok": ...}` or `{"err": ...}`. The bindings of
componentize-py are told apart by how it names things: a case of a variant has an underscore in
its class name (`Body_Text`), a record has none.

What is known of a class is kept: a component is a snapshot, so what was looked up while the
plugin was built costs its calls nothing.
"""

from __future__ import annotations

import functools
import re
import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum, Flag
from typing import Any, cast

__all__ = ["lift", "lower"]

_PLAIN = frozenset({type(None), bool, bytes, float, int, str})


def lift(value: Any) -> Any:
    """The plain value of a value of the bindings."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Flag):
        return [_kebab(str(member.name)) for member in type(value) if member in value]
    if isinstance(value, Enum):
        return _kebab(value.name)
    if isinstance(value, (list, tuple)):
        return [lift(each) for each in cast("list[Any]", value)]
    return _lift_members(value) if is_dataclass(value) else value


def lower(value: Any, hint: Any) -> Any:
    """The bindings' value for a plain one.

    Args:
        value: Plain.
        hint: The type that the bindings expect, as their annotations say it.
    """
    if hint in _PLAIN:
        return value
    origin, arguments = _parts(hint)
    if origin is list:
        return [lower(each, arguments[0]) for each in value]
    if origin is tuple:
        return tuple(lower(each, part) for each, part in zip(value, arguments, strict=True))
    if origin in {typing.Union, types.UnionType}:
        return _lower_union(value, arguments)
    return _lower_class(value, hint) if isinstance(hint, type) else value


def _lift_members(value: Any) -> dict[str, Any]:
    """A record, a case of a variant, or a result."""
    of = cast("type[Any]", type(value))
    name = of.__name__
    if name in {"Ok", "Err"}:
        return {name.lower(): lift(getattr(value, "value", None))}
    if "_" in name:
        return {"tag": _case(name), "value": lift(getattr(value, "value", None))}
    return {each: lift(getattr(value, each)) for each in _members(of)}


def _lower_class(value: Any, hint: type[Any]) -> Any:
    if issubclass(hint, Flag):
        flags = hint(0)
        for each in value:
            flags |= hint[_constant(each)]
        return flags
    if issubclass(hint, Enum):
        return hint[_constant(value)]
    if not is_dataclass(hint):
        return value
    return hint(**{name: lower(value[name], part) for name, part in _hints(hint).items()})


def _lower_union(value: Any, arguments: tuple[Any, ...]) -> Any:
    """An option, or a variant, whose cases are the members."""
    cases = [each for each in arguments if each is not type(None)]
    if value is None and len(cases) < len(arguments):
        return None
    if len(cases) == 1:
        return lower(value, cases[0])
    variant = cast("dict[str, Any]", value)
    found = next(each for each in cases if _case(each.__name__) == variant["tag"])
    hints = _hints(found)
    return found(lower(variant["value"], hints["value"])) if "value" in hints else found()


@functools.cache
def _parts(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """What a type is made of."""
    return typing.get_origin(hint), typing.get_args(hint)


@functools.cache
def _members(of: type[Any]) -> tuple[str, ...]:
    return tuple(each.name for each in fields(of))


@functools.cache
def _hints(of: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(of)


@functools.cache
def _case(class_name: str) -> str:
    """`Outcome_RetryAfter` is the case `retry-after`."""
    camel = class_name.split("_", 1)[1]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", camel).lower()


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")


def _constant(name: str) -> str:
    return name.upper().replace("-", "_")
