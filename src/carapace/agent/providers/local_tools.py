"""Choosing a tool with a model too small for it. Pure.

The embedded models do not follow the tool format of their own templates, so the choice is a
step of its own: a short prompt, and a grammar that lets nothing out but one tool with its
arguments, or none. Then the tool runs, and the answer is written as free text.
"""

from __future__ import annotations

import json
from typing import Any

import msgspec

from carapace.agent.providers.local_wire import ChatMessage
from carapace.agent.providers.ports import ToolCall, ToolSpec

__all__ = [
    "MAX_ROUTE_TOKENS",
    "MAX_TOOLS",
    "is_order_to_remember",
    "is_small_talk",
    "read_route",
    "route_messages",
    "route_schema",
]

MAX_TOOLS = 6
MAX_ROUTE_TOKENS = 256
_MAX_STRING = 400
_MAX_ITEMS = 8
_MAX_DESCRIPTION = 140
_MAX_MESSAGE = 2_000
_SCALARS = frozenset(["string", "integer", "number", "boolean"])

_RULES = """\
You choose tools for an assistant. Answer with one JSON object and nothing else.
Choose a tool only if it is made for what the user asks.
Choose {"tool":"none"} for greetings, small talk, jokes, questions about yourself, general
knowledge, maths, translations, writing and opinions.

Tools:
"""
_NO_TOOL_EXAMPLES = """
Examples:
What is the capital of France? -> {"tool":"none"}
Write a short poem about the sea. -> {"tool":"none"}
Who painted the Mona Lisa? -> {"tool":"none"}
Tell me something funny. -> {"tool":"none"}
Who made you? -> {"tool":"none"}
What is 12*12? -> {"tool":"none"}
"""
# A small model copies examples better than it follows rules, so the tools that every
# conversation has are shown in use. Each holds for a tool of that name that takes these arguments.
_TOOL_EXAMPLES: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("current_time", "What time is it now?", {}),
    ("sessions_list", "What did we talk about lately?", {}),
    ("session_status", "Which model are you, and how many tokens are used?", {}),
    (
        "memory_write",
        "Remember that I like tea.",
        {"name": "favourite drink", "text": "The user likes tea."},
    ),
    ("memory_search", "What do I like to drink?", {"query": "drink"}),
    ("memory_search", "When does my brother arrive?", {"query": "brother"}),
)
_SMALL_TALK = frozenset(
    [
        "hello",
        "hi",
        "hey",
        "hi there",
        "hello there",
        "good morning",
        "good evening",
        "good night",
        "bye",
        "goodbye",
        "ok",
        "okay",
        "thanks",
        "thank you",
        "thank you very much",
        "yes",
        "no",
        "cool",
        "great",
        "nice",
        "hallo",
        "danke",
        "hola",
        "gracias",
        "bonjour",
        "merci",
        "ciao",
        "grazie",
    ]
)
# The smallest model takes these for questions about what it should remember.
_REMEMBER = ("remember that ", "remember my ", "please remember ", "merk dir")


def is_small_talk(message: str) -> bool:
    """Whether a message plainly needs no tool, so that the answer can begin at once."""
    return message.strip(" \t\n.,!?").lower() in _SMALL_TALK


def is_order_to_remember(message: str) -> bool:
    """Whether a message plainly asks to keep something, so that there is nothing to choose."""
    return message.strip().lower().startswith(_REMEMBER)


def route_schema(
    tools: tuple[ToolSpec, ...], message: str = "", *, is_forced: bool = False
) -> dict[str, Any]:
    """JSON Schema of the choice: one object for each of the first six tools, or none.

    A `message` that plainly says to remember something leaves the one tool for it. A choice that
    `is_forced` cannot be none.
    """
    offered = tools[:MAX_TOOLS]
    if is_forced:
        return {"anyOf": [_choice(tool) for tool in offered]}
    if is_order_to_remember(message):
        for tool in offered:
            if tool.name == "memory_write":
                return _choice(tool)
    none = {
        "type": "object",
        "properties": {"tool": {"const": "none"}},
        "required": ["tool"],
        "additionalProperties": False,
    }
    return {"anyOf": [none, *(_choice(tool) for tool in offered)]}


def _choice(tool: ToolSpec) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"tool": {"const": tool.name}, "arguments": _bounded(tool.parameters)},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The part of a JSON Schema that a grammar can hold, with an end to every list and text."""
    if isinstance(values := schema.get("enum"), list) and values:
        return {"enum": values}
    kind = schema.get("type")
    if kind == "object":
        properties: dict[str, Any] = schema.get("properties") or {}
        wanted: list[str] = schema.get("required") or []
        return {
            "type": "object",
            "properties": {name: _bounded(inner) for name, inner in properties.items()},
            "required": [name for name in wanted if name in properties],
            "additionalProperties": False,
        }
    if kind == "array":
        items = _bounded(schema.get("items") or {})
        most = min(schema.get("maxItems", _MAX_ITEMS), _MAX_ITEMS)
        return {"type": "array", "items": items, "maxItems": most}
    if kind in _SCALARS and kind != "string":
        return {"type": kind}
    return {"type": "string", "maxLength": min(schema.get("maxLength", _MAX_STRING), _MAX_STRING)}


def route_messages(tools: tuple[ToolSpec, ...], message: str) -> tuple[ChatMessage, ...]:
    """The prompt of the choice; its first part stays the same, so it is read once."""
    lines = "\n".join(_line(tool) for tool in tools[:MAX_TOOLS])
    return (
        ChatMessage("system", f"{_RULES}{lines}\n{_NO_TOOL_EXAMPLES}{_examples(tools)}"),
        ChatMessage("user", f"{message[-_MAX_MESSAGE:]} ->"),
    )


def _examples(tools: tuple[ToolSpec, ...]) -> str:
    properties: dict[str, dict[str, Any]] = {
        tool.name: tool.parameters.get("properties") or {} for tool in tools[:MAX_TOOLS]
    }
    return "".join(
        f"{said} -> {json.dumps({'tool': name, 'arguments': arguments}, separators=(',', ':'))}\n"
        for name, said, arguments in _TOOL_EXAMPLES
        if name in properties and arguments.keys() <= properties[name].keys()
    )


def _line(tool: ToolSpec) -> str:
    properties: dict[str, Any] = tool.parameters.get("properties") or {}
    required: list[str] = tool.parameters.get("required") or []
    names = ", ".join(name if name in required else f"{name}?" for name in properties)
    first = tool.description.strip().partition("\n")[0]
    return f"- {tool.name}({names}): {first[:_MAX_DESCRIPTION]}"


class _Route(msgspec.Struct):
    """The choice as the grammar lets it out."""

    tool: str
    arguments: dict[str, Any] = {}


def read_route(text: str, tools: tuple[ToolSpec, ...], call_id: str) -> ToolCall | None:
    """The call that was chosen; None for no tool, and for text that was cut off."""
    try:
        route = msgspec.json.decode(text, type=_Route)
    except msgspec.DecodeError:
        return None
    if route.tool not in {tool.name for tool in tools[:MAX_TOOLS]}:
        return None
    return ToolCall(call_id, route.tool, json.dumps(route.arguments))
