from __future__ import annotations

import json

import pytest

from carapace.agent.providers.local_tools import (
    MAX_TOOLS,
    is_small_talk,
    read_route,
    route_messages,
    route_schema,
)
from carapace.agent.providers.ports import ToolCall, ToolSpec


def tool(name, parameters=None, description="Does it.\nMore."):
    return ToolSpec(name, description, parameters or {"type": "object"})


MANY = tuple(tool(f"t{number}") for number in range(9))


def test_the_schema_offers_none_and_the_first_six():
    choices = route_schema(MANY)["anyOf"]
    names = [choice["properties"]["tool"]["const"] for choice in choices]
    assert names == ["none", "t0", "t1", "t2", "t3", "t4", "t5"]
    assert len(names) == MAX_TOOLS + 1


def test_an_order_to_remember_leaves_one_choice():
    tools = (*MANY[:2], tool("memory_write"))
    only = route_schema(tools, " Remember that I like tea.")
    assert only["properties"]["tool"] == {"const": "memory_write"}
    assert len(route_schema(tools, "Do you remember my name?")["anyOf"]) == 4
    assert len(route_schema(MANY[:2], "Please remember this.")["anyOf"]) == 3
    alone = (tool("memory_write"),)
    assert route_schema(alone, "remember that x") == route_schema(alone)["anyOf"][1]


def test_every_text_and_list_gets_an_end():
    schema = {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 9000},
            "short": {"type": "string", "maxLength": 5},
            "n": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "rows": {"type": "array", "items": {"type": "number"}, "maxItems": 500},
            "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
        "required": ["text", "unknown"],
    }
    arguments = route_schema((tool("t", schema),))["anyOf"][1]["properties"]["arguments"]
    assert arguments == {
        "type": "object",
        "properties": {
            "text": {"type": "string", "maxLength": 400},
            "short": {"type": "string", "maxLength": 5},
            "n": {"type": "integer"},
            "kind": {"enum": ["a", "b"]},
            "rows": {"type": "array", "items": {"type": "number"}, "maxItems": 8},
            "maybe": {"type": "string", "maxLength": 400},
        },
        "required": ["text"],
        "additionalProperties": False,
    }


def test_the_prompt_lists_tools_and_shows_those_it_has_examples_for():
    search = tool(
        "memory_search",
        {"type": "object", "properties": {"query": {}, "limit": {}}, "required": ["query"]},
    )
    system, user = route_messages((search, tool("memory_write")), "x" * 5000)
    assert "- memory_search(query, limit?): Does it.\n" in system.content
    assert '-> {"tool":"memory_search","arguments":{"query":"drink"}}' in system.content
    assert '"memory_write"' not in system.content
    assert user.content == "x" * 2000 + " ->"


def test_the_system_part_does_not_depend_on_the_message():
    assert route_messages(MANY, "a")[0] == route_messages(MANY, "b")[0]


def test_a_choice_becomes_a_call():
    text = json.dumps({"tool": "t1", "arguments": {"a": "ü"}})
    call = read_route(text, MANY, "c1")
    assert call == ToolCall("c1", "t1", '{"a": "\\u00fc"}')
    assert read_route('{"tool":"t2"}', MANY, "c1") == ToolCall("c1", "t2", "{}")


@pytest.mark.parametrize(
    "text", ['{"tool":"none"}', '{"tool":"t8","arguments":{}}', '{"tool":"t1","argu', "", "[]"]
)
def test_anything_else_is_no_call(text):
    assert read_route(text, MANY, "c1") is None


def test_greetings_are_small_talk_and_questions_are_not():
    assert is_small_talk(" Hello! ")
    assert is_small_talk("Thank you.")
    assert not is_small_talk("hello, what time is it")


def test_a_forced_choice_cannot_be_none_whatever_was_said():
    tools = (tool("a"), tool("memory_write"))
    schema = route_schema(tools, "remember that I like tea", is_forced=True)
    names = [one["properties"]["tool"]["const"] for one in schema["anyOf"]]
    assert names == ["a", "memory_write"]
