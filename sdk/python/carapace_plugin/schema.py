"""JSON Schema from a function's annotations, and arguments held to it."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable
from typing import Annotated, Any, Literal

from carapace_plugin.errors import PluginError

__all__ = ["check", "schema_of"]

_SIMPLE: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dict: {"type": "object"},
    list: {"type": "array"},
    Any: {},
}
_PYTHON = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def schema_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The schema of a function's parameters.

    `Annotated[str, "what it is"]` describes a parameter; `Literal` lists what it may be; one
    with a default may be left out.

    Raises:
        TypeError: If a parameter has no annotation, or one that JSON cannot say.
    """
    hints = typing.get_type_hints(function, include_extras=True)
    properties: dict[str, Any] = {}
    required: list[str] = []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints:
            raise TypeError(f"{function.__name__}: say what type {name} is")
        properties[name] = _schema(hints[name], f"{function.__name__}: {name}")
        if parameter.default is inspect.Parameter.empty:
            required.append(name)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def check(value: Any, schema: dict[str, Any], where: str = "parameters") -> None:
    """Hold a value to a schema of `schema_of`.

    Raises:
        PluginError: `invalid-parameters`, with what is wrong.
    """
    if "anyOf" in schema:
        if value is not None:
            check(value, schema["anyOf"][0], where)
        return
    expected = schema.get("type")
    if expected is not None and not _is(value, expected):
        raise _invalid(f"{where} must be of type {expected}")
    if "enum" in schema and value not in schema["enum"]:
        allowed = ", ".join(str(each) for each in schema["enum"])
        raise _invalid(f"{where} must be one of {allowed}")
    if isinstance(value, list) and "items" in schema:
        for index, each in enumerate(typing.cast("list[Any]", value)):
            check(each, schema["items"], f"{where}[{index}]")
    if isinstance(value, dict) and "properties" in schema:
        _check_members(typing.cast("dict[str, Any]", value), schema, where)


def _check_members(value: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    for name in schema["required"]:
        if name not in value:
            raise _invalid(f"{where}: {name} is missing")
    for name, each in value.items():
        if name not in schema["properties"]:
            raise _invalid(f"{where}: there is no {name}")
        check(each, schema["properties"][name], name)


def _is(value: Any, expected: str) -> bool:
    """In Python a bool is an int; in JSON it is not."""
    if isinstance(value, bool):
        return expected == "boolean"
    return isinstance(value, _PYTHON[expected])


def _invalid(message: str) -> PluginError:
    return PluginError("invalid-parameters", message)


def _schema(hint: Any, where: str) -> dict[str, Any]:
    if hint in _SIMPLE:
        return dict(_SIMPLE[hint])
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        described = _schema(arguments[0], where)
        text = next((each for each in arguments[1:] if isinstance(each, str)), "")
        return {**described, "description": text} if text else described
    if origin is Literal and all(isinstance(each, str) for each in arguments):
        return {"type": "string", "enum": list(arguments)}
    if origin is list:
        return {"type": "array", "items": _schema(arguments[0], where)}
    if origin is dict and arguments[0] is str:
        return {"type": "object"}
    if origin in {typing.Union, types.UnionType}:
        rest = [each for each in arguments if each is not type(None)]
        if len(rest) == 1:
            return {"anyOf": [_schema(rest[0], where), {"type": "null"}]}
    raise TypeError(
        f"{where}: {hint} cannot be said in a tool's schema; take str, int, float, "
        "bool, list, dict, Literal or one of them or None"
    )
