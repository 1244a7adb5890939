from __future__ import annotations

import json
from typing import Any

import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.plugin_tools import MAX_TOOLS, plugin_tools, tool_name
from carapace.agent.tools.registry import ToolTrouble
from carapace.errors import Failed, Refused
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from support.scripted_host import ScriptedHost, guest_of

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def definition(**more):
    schema = more.pop("schema", SCHEMA)
    return {
        "name": "forecast",
        "description": "Tells the weather.",
        "schema": schema if isinstance(schema, str) else json.dumps(schema),
        "risk": "read",
        **more,
    }


def fail(error):
    def script(*arguments):
        raise error

    return script


CONTEXT: Any = None  # a plugin learns nothing of it


async def rows_of(*definitions, plugin_id="weather", **scripts):
    host = ScriptedHost({"tool.definitions": lambda: list(definitions)})
    for name, script in scripts.items():
        host.script(f"tool.{name}", script)
    return await plugin_tools(guest_of(host, plugin_id), call_timeout_s=10)


async def test_a_tool_is_what_its_definition_says():
    (row,) = await rows_of(definition())
    assert row.name == "plugin_weather_forecast" == tool_name("weather", "forecast")
    assert row.spec.name == row.name
    assert row.spec.description == row.description == "Tells the weather."
    assert row.spec.parameters == SCHEMA
    assert row.timeout_s == 21.0
    assert not row.is_core


@pytest.mark.parametrize(
    ("risk", "meant"), [("read", Risk.READ), ("write", Risk.WRITE), ("danger", Risk.DANGEROUS)]
)
async def test_its_risk_is_the_declared_one(risk, meant):
    (row,) = await rows_of(definition(risk=risk))
    assert row.risk is meant


async def test_it_is_called_with_json_and_gives_json():
    (row,) = await rows_of(definition(), invoke=lambda name, given: f"{name} {given}")
    assert await row.handler(CONTEXT, {"city": "Hanoi"}) == 'forecast {"city":"Hanoi"}'


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (GuestError("x", "no such city"), "no such city"),
        (GuestError("no-city", ""), "no-city"),
        (GuestTrap("deadline", "interrupt"), "deadline"),
        (PluginUnavailable("it rests"), "it rests"),
    ],
)
async def test_what_goes_wrong_is_told_to_the_model(error, word):
    (row,) = await rows_of(definition(), invoke=fail(error))
    with pytest.raises(ToolTrouble, match=word):
        await row.handler(CONTEXT, {})


async def test_an_answer_that_is_no_text_is_trouble():
    (row,) = await rows_of(definition(), invoke=lambda name, given: 7)
    with pytest.raises(ToolTrouble, match="no sense"):
        await row.handler(CONTEXT, {})


@pytest.mark.parametrize(
    "name", ["", "Forecast", "for cast", "1st", "_x", "a-b", "é", "x" * 60, "a\n"]
)
async def test_a_name_that_vendors_do_not_take_is_refused(name):
    with pytest.raises(Refused, match="underscores"):
        await rows_of(definition(name=name))


@pytest.mark.parametrize(
    ("schema", "word"),
    [
        ("[]", "no JSON object"),
        ("{", "no JSON object"),
        ({"type": "string"}, "not of"),
        ({"type": "object", "properties": []}, "not of"),
        (json.dumps({"type": "object", "title": "x" * 20_000}), "longer"),
    ],
)
async def test_a_schema_that_no_model_can_be_shown_is_refused(schema, word):
    with pytest.raises(Refused, match=word):
        await rows_of(definition(schema=schema))


async def test_a_description_is_clean_and_bounded():
    (row,) = await rows_of(definition(description="a\x00\x1b[31mb\nc" + "x" * 9_000))
    assert row.description.startswith("a [31mb\nc")
    assert len(row.description) == 2_000
    with pytest.raises(Refused, match="no description"):
        await rows_of(definition(description=" \n"))


async def test_too_many_or_the_same_twice_are_refused():
    with pytest.raises(Refused, match="twice"):
        await rows_of(definition(), definition())
    many = [definition(name=f"t{number}") for number in range(MAX_TOOLS + 1)]
    with pytest.raises(Refused, match="crowd"):
        await rows_of(*many)


async def test_no_two_plugins_meet_in_one_name():
    (one,) = await rows_of(definition(name="b_c"), plugin_id="a1")
    (other,) = await rows_of(definition(name="c"), plugin_id="a1-b")
    assert one.name != other.name


async def test_one_that_does_not_say_has_no_tools():
    with pytest.raises(Refused, match="defines no tools"):
        await rows_of({"name": "x"})
    host = ScriptedHost({"tool.definitions": fail(GuestError("x", "broken"))})
    with pytest.raises(Failed, match="broken"):
        await plugin_tools(guest_of(host), call_timeout_s=1)
