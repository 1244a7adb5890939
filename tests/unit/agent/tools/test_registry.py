"""Declaring tools."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.registry import ANYBODY, OWNERS, ToolContext, Tools, json_answer
from support.agent_house import agent_house
from support.tool_calls import tool_context


class Inner(msgspec.Struct):
    x: int


class Params(msgspec.Struct, forbid_unknown_fields=True):
    inner: Inner


def test_a_row_is_made_from_signature_and_docstring():
    tools = Tools()

    @tools.tool("t", risk=Risk.READ)
    async def handler(ctx: ToolContext, params: Params) -> str:
        """Does
        it.
        """
        return ""

    row = tools["t"]
    assert row.handler is handler
    assert row.description == "Does it."
    assert row.spec.parameters["type"] == "object"
    assert row.spec.parameters["additionalProperties"] is False
    assert "Inner" in row.spec.parameters["$defs"]


def test_what_a_row_needs_is_demanded():
    tools = Tools()

    async def bare(ctx: ToolContext, params: Params) -> str:
        return ""

    async def odd(ctx: ToolContext) -> str:
        """Takes too little."""
        return ""

    with pytest.raises(TypeError, match="docstring"):
        tools.tool("a", risk=Risk.READ)(bare)
    with pytest.raises(TypeError, match="Struct"):
        tools.tool("b", risk=Risk.READ)(odd)  # pyright: ignore[reportArgumentType] - that is the point
    with pytest.raises(ValueError, match="twice"):
        builtin_tools().merge(builtin_tools())


def test_schemas_are_plain_objects_for_every_vendor():
    for row in builtin_tools().values():
        assert row.spec.parameters["type"] == "object"
        assert "$ref" not in row.spec.parameters


def test_a_row_says_whose_words_use_it():
    tools = Tools()

    async def handler(ctx: ToolContext, params: Params) -> str:
        """Does it."""
        raise AssertionError("it ran")

    tools.tool("anybodys", risk=Risk.READ)(handler)
    tools.tool("owners", risk=Risk.READ, sources=OWNERS, needs_admin=True)(handler)
    assert (tools["anybodys"].sources, tools["anybodys"].needs_admin) == (ANYBODY, False)
    assert (tools["owners"].sources, tools["owners"].needs_admin) == (OWNERS, True)
    assert OWNERS < ANYBODY


def test_a_tool_that_was_removed_is_gone_and_its_name_is_free():
    tools = builtin_tools()
    row = tools["current_time"]
    tools.remove("current_time")
    tools.remove("current_time")
    assert "current_time" not in tools
    tools.add(row)
    assert tools["current_time"] is row


async def test_facts_are_in_lines_for_programs_and_without_them_for_models():
    async with agent_house() as house:
        ctx = tool_context(house)
        answer = json_answer(ctx, {"a": [1]})
        assert (answer.text, answer.details) == ('{"a":[1]}', {"a": [1]})
        pretty = json_answer(tool_context(house, is_direct=True), {"a": [1]})
        assert pretty.text == '{\n  "a": [\n    1\n  ]\n}'
