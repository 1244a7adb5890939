"""Plain values for what the generated bindings speak in, and back.

Plain values are what travels between worker and gateway: records are dictionaries with
snake_case keys, enums their kebab-case names, flags lists of names, variants
`{"tag": ..., "value": ...}`, results `{"ok": ...}` or `{"err": ...}`. The bindings of
componentize-py are told apart by how it names things: a case of a variant has an underscore in
its class name (`Body_Text`), a record has none.
"""

from __future__ import annotations

import re
import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum, Flag
from typing import Any, cast

__all__ = ["lift", "lower"]


def lift(value: Any) -> Any:
    """The plain value of a value of the bindings."""
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
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is list:
        return [lower(each, arguments[0]) for each in value]
    if origin is tuple:
        return tuple(lower(each, part) for each, part in zip(value, arguments, strict=True))
    if origin in {typing.Union, types.UnionType}:
        return _lower_union(value, arguments)
    return _lower_class(value, hint) if isinstance(hint, type) else value


def _lift_members(value: Any) -> dict[str, Any]:
    """A record, a case of a variant, or a result."""
    name = type(value).__name__
    if name in {"Ok", "Err"}:
        return {name.lower(): lift(getattr(value, "value", None))}
    if "_" in name:
        return {"tag": _case(name), "value": lift(getattr(value, "value", None))}
    return {each.name: lift(getattr(value, each.name)) for each in fields(value)}


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
    hints = typing.get_type_hints(hint)
    return hint(**{name: lower(value[name], part) for name, part in hints.items()})


def _lower_union(value: Any, arguments: tuple[Any, ...]) -> Any:
    """An option, or a variant, whose cases are the members."""
    cases = [each for each in arguments if each is not type(None)]
    if value is None and len(cases) < len(arguments):
        return None
    if len(cases) == 1:
        return lower(value, cases[0])
    variant = cast("dict[str, Any]", value)
    found = next(each for each in cases if _case(each.__name__) == variant["tag"])
    hints = typing.get_type_hints(found)
    return found(lower(variant["value"], hints["value"])) if "value" in hints else found()


def _case(class_name: str) -> str:
    """`Outcome_RetryAfter` is the case `retry-after`."""
    camel = class_name.split("_", 1)[1]
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", camel).lower()


def _kebab(name: str) -> str:
    return name.lower().replace("_", "-")


def _constant(name: str) -> str:
    return name.upper().replace("-", "_")
