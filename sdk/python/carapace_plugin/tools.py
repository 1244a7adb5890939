"""Tools: functions that the assistant can call."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, overload

from carapace_plugin.errors import PluginError
from carapace_plugin.schema import check, schema_of

__all__ = ["Risk", "definitions", "encoded", "invoke", "tool"]

Risk = Literal["read", "write", "danger"]
_Function = TypeVar("_Function", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class _Tool:
    function: Callable[..., Any]
    description: str
    schema: dict[str, Any]
    risk: Risk


_tools: dict[str, _Tool] = {}

encoded: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False).encode
"""A value as JSON."""


@overload
def tool(function: _Function, /) -> _Function: ...
@overload
def tool(*, name: str | None = None, risk: Risk = "read") -> Callable[[_Function], _Function]: ...
def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    risk: Risk = "read",
) -> Any:
    """Make a function a tool of the assistant.

    Its docstring tells the assistant what it does, its annotations what it takes; what it
    returns goes back as JSON. Raise `PluginError` for what did not work.

    Args:
        function: When the decorator stands without parentheses.
        name: The tool's name; the function's if None.
        risk: `read` looks, `write` changes something, `danger` cannot be undone.

    Raises:
        TypeError: If there is no docstring, or an annotation cannot be said in JSON Schema.
        ValueError: If there is already a tool of that name.
    """

    def register(decorated: _Function) -> _Function:
        called = name or decorated.__name__
        description = inspect.getdoc(decorated)
        if not description:
            raise TypeError(f"{called}: its docstring must tell the assistant what it does")
        if called in _tools:
            raise ValueError(f"there is already a tool {called}")
        _tools[called] = _Tool(decorated, description, schema_of(decorated), risk)
        return decorated

    return register if function is None else register(function)


def definitions() -> list[dict[str, Any]]:
    """The contract's `tool.definitions`."""
    return [
        {
            "name": name,
            "description": each.description,
            "schema": json.dumps(each.schema),
            "risk": each.risk,
        }
        for name, each in _tools.items()
    ]


def invoke(name: str, parameters: str) -> str:
    """The contract's `tool.invoke`: parameters and result are JSON.

    Raises:
        PluginError: `not-found` or `invalid-parameters`, or what the tool itself raised.
    """
    found = _tools.get(name)
    if found is None:
        raise PluginError("not-found", f"This plugin has no tool {name}.")
    try:
        given = json.loads(parameters)
    except ValueError as error:
        raise PluginError("invalid-parameters", f"The parameters are not JSON: {error}") from error
    check(given, found.schema)
    return encoded(found.function(**given))
