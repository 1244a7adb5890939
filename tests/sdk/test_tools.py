"""A function becomes a tool: its schema, its calls, its mistakes."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

import pytest
from carapace_plugin import PluginError, tool, tools


def invoke(name: str, **parameters: Any) -> Any:
    return json.loads(tools.invoke(name, json.dumps(parameters)))


def test_the_signature_is_the_schema():
    @tool(risk="write", name="find")
    def look(
        what: Annotated[str, "What to look for."],
        *,
        where: Literal["here", "there"],
        tags: list[str],
        extra: dict[str, Any],
        limit: int = 5,
        ratio: float | None = None,
        exact: bool = False,
    ) -> None:
        """Look for something."""

    definition = tools.definitions()[0]
    schema = json.loads(definition.pop("schema"))
    assert definition == {"name": "find", "description": "Look for something.", "risk": "write"}
    assert schema["required"] == ["what", "where", "tags", "extra"]
    assert schema["properties"] == {
        "what": {"type": "string", "description": "What to look for."},
        "where": {"type": "string", "enum": ["here", "there"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "extra": {"type": "object"},
        "limit": {"type": "integer"},
        "ratio": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "exact": {"type": "boolean"},
    }


def test_parameters_go_in_and_json_comes_out():
    @tool
    def add(left: int, right: int = 1) -> dict[str, int]:
        """Add."""
        return {"sum": left + right}

    assert invoke("add", left=2) == {"sum": 3}


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ("{", "not JSON"),
        ("[]", "parameters must be of type object"),
        ("{}", "left is missing"),
        ('{"left": 1, "x": 1}', "there is no x"),
        ('{"left": "1"}', "left must be of type integer"),
        ('{"left": true}', "left must be of type integer"),
        ('{"left": 1, "many": ["a", 1]}', r"many\[1\] must be of type string"),
        ('{"left": 1, "kind": "z"}', "kind must be one of a, b"),
        ('{"left": 1, "maybe": "z"}', "maybe must be of type integer"),
    ],
)
def test_wrong_parameters_never_reach_the_function(parameters: str, why: str):
    @tool
    def add(
        left: int,
        many: list[str] | None = None,
        kind: Literal["a", "b"] = "a",
        maybe: int | None = None,
    ) -> None:
        """Add."""
        raise AssertionError

    with pytest.raises(PluginError, match=why) as caught:
        tools.invoke("add", parameters)
    assert caught.value.code == "invalid-parameters"


def test_null_is_a_value_where_it_may_be():
    @tool
    def add(maybe: int | None) -> bool:
        """Add."""
        return maybe is None

    assert invoke("add", maybe=None) is True


def test_a_tool_that_is_not_there():
    with pytest.raises(PluginError, match="no tool gone"):
        tools.invoke("gone", "{}")


def test_mistakes_of_the_author_are_told_when_it_is_built():
    with pytest.raises(TypeError, match="docstring"):
        tool(lambda: None)

    def silent(x) -> None:
        """Do."""

    def strange(x: object) -> None:
        """Do."""

    with pytest.raises(TypeError, match="say what type x is"):
        tool(silent)
    with pytest.raises(TypeError, match="cannot be said in a tool's schema"):
        tool(strange)

    @tool
    def once() -> None:
        """Do."""

    with pytest.raises(ValueError, match="already a tool once"):
        tool(once)
