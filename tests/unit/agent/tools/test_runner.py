"""Running one tool call, whatever the model wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from carapace.agent.approval import Risk, ToolPolicy
from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.policy import Layer, ToolLayers, ToolScope
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.agent.tools.runner import MAX_OUTPUT_CHARS, ToolReport, arguments_of
from carapace.agent.types import RunSource
from carapace.clock import SystemClock
from carapace.errors import Failed, Refused
from carapace.hooks.points import AFTER_TOOL_CALL, BEFORE_TOOL_CALL, BeforeToolCall
from carapace.ids import AgentId, RunId
from carapace.provenance import OWNER, Provenance
from support.agent_house import MAIN, AgentHouse, agent_house
from support.hook_bus import hook_bus, overheard

ODD = Tools()


class What(msgspec.Struct, forbid_unknown_fields=True):
    how: str = "ok"


@ODD.tool("odd", risk=Risk.READ, timeout_s=0.01)
async def odd(ctx: ToolContext, params: What) -> str:
    """Ends in the way it is asked to."""
    match params.how:
        case "trouble":
            raise ToolTrouble("try another")
        case "refused":
            raise Failed("no disk")
        case "bug":
            raise ZeroDivisionError
        case "hang":
            await asyncio.Event().wait()
        case "long":
            return "x" * (MAX_OUTPUT_CHARS + 1)
        case _:
            return "fine"
    return "never"


@ODD.tool("risky", risk=Risk.DANGEROUS)
async def risky(ctx: ToolContext, params: What) -> str:
    """Would do harm."""
    raise AssertionError("it ran")


def context(house: AgentHouse, provenance: Provenance = OWNER) -> ToolContext:
    return ToolContext(
        run_id=RunId("r"),
        session_key=MAIN,
        agent_id=AgentId("main"),
        provenance=provenance,
        timezone=None,
        clock=SystemClock(),
        sessions=house.sessions,
        memory=house.memory,
    )


async def use(house: AgentHouse, name: str, arguments: str = "{}", **more: Any) -> ToolReport:
    return await house.agent._turns._tools.run(
        ToolCall("c", name, arguments), context(house, **more)
    )


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ("trouble", "try another"),
        ("refused", "no disk"),
        ("bug", "failed inside the gateway"),
        ("hang", "took longer than 0.01 s"),
    ],
)
async def test_what_goes_wrong_becomes_text(how: str, text: str):
    async with agent_house(tools=ODD) as house:
        report = await use(house, "odd", f'{{"how":"{how}"}}')
        assert report.is_error
        assert text in report.text


async def test_bad_arguments_and_unknown_tools_are_explained():
    async with agent_house(tools=ODD) as house:
        assert "do not fit" in (await use(house, "odd", "{oops")).text
        assert "do not fit" in (await use(house, "odd", '{"x":1}')).text
        assert "There is no tool 'exec'" in (await use(house, "exec")).text
        assert (await use(house, "odd", "")).text == "fine"


async def test_output_is_capped():
    async with agent_house(tools=ODD) as house:
        assert len((await use(house, "odd", '{"how":"long"}')).text) == MAX_OUTPUT_CHARS


async def test_advisory_j14_a_tool_that_was_not_listed_is_denied_where_it_would_run():
    async with agent_house(tools=ODD) as house:
        assert "not permitted" in (await use(house, "risky")).text
        house.agent._turns._tools.apply(ToolPolicy(deny=frozenset({"odd"})))
        assert "not permitted" in (await use(house, "odd")).text
        assert "tool.denied" in (house.folder / "audit" / "audit.jsonl").read_text()
        assert house.metrics.tool_calls.labels("odd", "denied")._value.get() == 1


async def test_advisory_j06_a_model_is_shown_what_its_source_may_use():
    async with agent_house() as house:
        runner = house.agent._turns._tools
        full = {tool.name for tool in runner.specs(RunSource.OPERATOR, PromptStyle.FULL)}
        short = {tool.name for tool in runner.specs(RunSource.OPERATOR, PromptStyle.SHORT)}
        outside = {tool.name for tool in runner.specs(RunSource.OUTSIDE, PromptStyle.FULL)}
        assert full == set(builtin_tools())
        assert short < full
        visitor = {tool.name for tool in runner.specs(RunSource.VISITOR, PromptStyle.FULL)}
        assert outside == set()
        assert visitor == {"memory_write", "memory_forget"}


async def test_the_built_in_tools_do_what_they_say():
    async with agent_house() as house:
        assert (
            "Remembered"
            in (await use(house, "memory_write", '{"name":"Tea","text":"green tea"}')).text
        )
        assert "green" in (await use(house, "memory_read", '{"name":" tea "}')).text
        assert "green" in (await use(house, "memory_search", '{"query":"gre\\" OR"}')).text
        assert "green" in (await use(house, "memory_search", '{"query":""}')).text
        near = await use(house, "memory_forget", '{"name":"my tea"}')
        assert near.text == "Nothing is remembered under that name. These come close: 'tea'."
        assert "Forgotten" in (await use(house, "memory_forget", '{"name":"tea"}')).text
        assert "Nothing" in (await use(house, "memory_read", '{"name":"tea"}')).text
        assert "new" in (await use(house, "session_status")).text
        await house.sessions.ensure("main")
        await house.sessions.inject("main", "a note" + "x" * 2_000)
        assert "none has answered" in (await use(house, "session_status")).text
        assert "agent:main:main" in (await use(house, "sessions_list")).text
        assert "a note" in (await use(house, "sessions_history", '{"sessionKey":"main"}')).text
        other = await use(house, "sessions_history", '{"sessionKey":"agent:other:main"}')
        assert "another agent" in other.text
        assert "UTC" in (await use(house, "current_time")).text
        assert "UTC" in (await use(house, "current_time", '{"timezone":"local"}')).text
        assert "no time zone" in (await use(house, "current_time", '{"timezone":"x/y"}')).text


def test_arguments_are_shown_as_json_or_as_they_are():
    assert arguments_of(ToolCall("c", "t", '{"a":1}')) == {"a": 1}
    assert arguments_of(ToolCall("c", "t", "{oops")) == "{oops"


async def test_a_hook_changes_the_arguments_before_policy_and_tool_see_them():
    async with hook_bus() as bus, agent_house(tools=ODD, hooks=bus) as house:

        async def mend(call: BeforeToolCall) -> BeforeToolCall:
            assert call.provenance == OWNER
            return msgspec.structs.replace(call, arguments='{"how":"trouble"}')

        bus.register(BEFORE_TOOL_CALL, mend, owner="a test")
        assert (await use(house, "odd", "{oops")).text == "try another"


async def test_a_hook_stops_a_tool_and_the_audit_trail_says_why():
    async with hook_bus() as bus, agent_house(tools=ODD, hooks=bus) as house:

        async def stop(call: BeforeToolCall) -> BeforeToolCall:
            return msgspec.structs.replace(call, blocked="not on Sundays")

        bus.register(BEFORE_TOOL_CALL, stop, owner="a test")
        heard = overheard(bus, AFTER_TOOL_CALL)
        report = await use(house, "odd", '{"how":"bug"}')
        assert report == ToolReport("The tool odd was stopped: not on Sundays", "blocked")
        assert "not on Sundays" in (house.folder / "audit" / "audit.jsonl").read_text()
        assert house.metrics.tool_calls.labels("odd", "blocked")._value.get() == 1
        assert await bus.drain(5.0)
        assert [(told.tool, told.is_error, told.text) for told in heard] == [
            ("odd", True, report.text)
        ]


async def test_a_hook_cannot_talk_policy_into_a_denied_tool():
    async with hook_bus() as bus, agent_house(tools=ODD, hooks=bus) as house:

        async def widen(call: BeforeToolCall) -> BeforeToolCall:
            return msgspec.structs.replace(call, tool="odd", provenance=OWNER)

        bus.register(BEFORE_TOOL_CALL, widen, owner="a test")
        assert "not permitted" in (await use(house, "risky")).text


async def test_watchers_hear_how_a_tool_ended():
    async with hook_bus() as bus, agent_house(tools=ODD, hooks=bus) as house:
        heard = overheard(bus, AFTER_TOOL_CALL)
        await use(house, "odd")
        await use(house, "nothing")
        assert await bus.drain(5.0)
        (told,) = heard
        assert (told.tool, told.text, told.is_error, told.run_id) == ("odd", "fine", False, "r")
        assert told.duration_ms >= 0


async def test_tools_come_and_go_while_it_runs():
    async with agent_house() as house:
        runner = house.agent._turns._tools
        style, source = PromptStyle.FULL, RunSource.OPERATOR
        before = runner.specs(source, style)
        runner.add(ODD["odd"])
        assert runner.specs(source, style) == (*before, ODD["odd"].spec)
        assert (await use(house, "odd")).text == "fine"
        runner.remove("odd", "never there")
        assert runner.specs(source, style) == before
        assert (await use(house, "odd")).is_error


async def test_a_name_that_is_taken_adds_nothing():
    async with agent_house() as house:
        runner = house.agent._turns._tools
        time = builtin_tools()["current_time"]
        with pytest.raises(Refused, match="current_time"):
            runner.add(ODD["odd"], time)
        assert (await use(house, "odd")).is_error


async def test_lists_of_tools_hold_where_they_are_shown_and_where_they_run():
    tools = Tools()
    tools.add(ODD["odd"])
    async with agent_house(tools=tools) as house:
        runner = house.agent._turns._tools
        runner.restrict(
            ToolLayers(
                everywhere=Layer("tools", deny=("exce",)),
                channels={"zalo": Layer("tools.byChannel.zalo", deny=("odd",))},
            )
        )
        assert runner.unknown() == (("tools", "exce"),)
        style, source = PromptStyle.FULL, RunSource.OPERATOR
        here, there = ToolScope(agent_id="main"), ToolScope(agent_id="main", channel="zalo")
        assert runner.specs(source, style, here) == (ODD["odd"].spec,)
        assert runner.specs(source, style, there) == ()
        assert (await use(house, "odd")).text == "fine"
        scoped = replace(context(house), scope=there)
        assert (await runner.run(ToolCall("c", "odd", "{}"), scoped)).outcome == "denied"
        assert runner.find("odd", scoped) is None
        assert runner.find("odd", context(house)) is ODD["odd"]


async def test_lists_that_are_kept_are_bounded():
    async with agent_house(tools=ODD) as house:
        runner = house.agent._turns._tools
        for number in range(300):
            scope = ToolScope(agent_id="main", channel=f"c{number}")
            assert len(runner.specs(RunSource.OPERATOR, PromptStyle.FULL, scope)) == len(ODD)
        assert len(runner._listed) < 300


async def test_what_acts_on_the_machine_is_not_run_by_a_request_alone():
    async with agent_house(tools=ODD) as house:
        direct = replace(context(house), is_direct=True)
        report = await house.agent._turns._tools.run(ToolCall("c", "risky", "{}"), direct)
        assert report.outcome == "denied"
