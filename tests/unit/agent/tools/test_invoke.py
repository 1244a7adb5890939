"""Tools that a program calls by itself."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.builtin import builtin_tools
from carapace.agent.tools.invoke import Invoked, NotInvoked, ToolInvoker
from carapace.agent.tools.policy import Layer, ToolLayers
from carapace.agent.tools.registry import ToolContext, Tools, ToolTrouble
from carapace.agent.tools.runner import MAX_OUTPUT_CHARS
from carapace.clock import SystemClock
from carapace.protocol.scopes import Scope
from support.agent_house import AgentHouse, agent_house
from support.tool_calls import program

MORE = Tools()


class Act(msgspec.Struct, forbid_unknown_fields=True):
    action: Literal["status", "fail", "long"] = "fail"


class Nothing(msgspec.Struct, forbid_unknown_fields=True):
    pass


@MORE.tool("acts", risk=Risk.OUTSIDE)
async def acts(ctx: ToolContext, params: Act) -> str:
    """Has an action."""
    if params.action == "fail":
        raise ToolTrouble("no such thing")
    return "x" * (MAX_OUTPUT_CHARS + 1) if params.action == "long" else ctx.run_id


@MORE.tool("administers", risk=Risk.WRITE, needs_admin=True, reads=frozenset({"status"}))
async def administers(ctx: ToolContext, params: Act) -> str:
    """Does what a method does that asks for `operator.admin`."""
    return "done"


@MORE.tool("exec", risk=Risk.READ)
async def execute(ctx: ToolContext, params: Nothing) -> str:
    """Stands for what acts on the machine."""
    raise AssertionError("it ran")


@MORE.tool("dangerous", risk=Risk.DANGEROUS)
async def dangerous(ctx: ToolContext, params: Nothing) -> str:
    """Spends money."""
    raise AssertionError("it ran")


@asynccontextmanager
async def invoker() -> AsyncGenerator[tuple[ToolInvoker, AgentHouse]]:
    async with agent_house(tools=builtin_tools().merge(MORE)) as house:
        yield (
            ToolInvoker(
                house.agent._turns._tools,
                sessions=house.sessions,
                memory=house.memory,
                profiles=house.profiles,
                clock=SystemClock(),
            ),
            house,
        )


async def invoke(name: str, args: dict[str, Any] | None = None, **more: Any) -> Any:
    async with invoker() as (invoking, _):
        values: dict[str, Any] = {"caller": program(), **more}
        return await invoking.invoke(name, args=args, **values)


async def test_a_list_of_sessions_is_text_and_facts():
    async with invoker() as (invoking, house):
        await house.sessions.ensure("main")
        found = await invoking.invoke("sessions_list", args={"limit": 1}, caller=program())
        assert isinstance(found, Invoked)
        details = found.result["details"]
        assert details["count"] == 1
        assert details["sessions"][0]["key"] == "agent:main:main"
        assert msgspec.json.decode(found.result["content"][0]["text"]) == details


async def test_the_status_of_the_main_session_is_what_no_key_means():
    for key in (None, "", " main "):
        found = await invoke("session_status", session_key=key)
        assert found.result["details"]["sessionKey"] == "agent:main:main"
        assert found.result["content"][0]["text"] == found.result["details"]["statusText"]


async def test_an_action_becomes_an_argument_where_there_is_one():
    found = await invoke("acts", action="status")
    assert found.result["content"][0]["text"].startswith("tool-")
    assert "details" not in found.result
    refused = await invoke("acts", {"action": "fail"}, action="status")
    assert refused == NotInvoked("tool_error", "no such thing")
    assert isinstance(await invoke("current_time", action="status"), Invoked)


async def test_what_is_not_there_is_not_found():
    assert await invoke("nope") == NotInvoked("not_found", "Tool not available: nope")
    assert await invoke("exec") == NotInvoked("not_found", "Tool not available: exec")
    assert (await invoke("dangerous")).kind == "not_found"
    assert await invoke(" ") == NotInvoked(
        "invalid_request_error", "tools.invoke requires body.tool"
    )


async def test_advisory_j14_a_tool_that_a_list_takes_away_is_not_found():
    async with invoker() as (invoking, house):
        house.agent._turns._tools.restrict(
            ToolLayers(agents={"main": Layer("a", deny=("group:sessions",))})
        )
        found = await invoking.invoke("sessions_list", caller=program())
        assert found == NotInvoked("not_found", "Tool not available: sessions_list")


async def test_a_missing_argument_is_named_as_the_node_gateway_does():
    assert await invoke("sessions_history", {}) == NotInvoked("tool_error", "sessionKey required")
    wrong = await invoke("sessions_history", {"sessionKey": 5})
    assert wrong.kind == "tool_error"
    assert "do not fit" in wrong.message


async def test_advisory_j06_a_caller_that_may_only_read_only_reads():
    reader = program(Scope.READ)
    assert isinstance(await invoke("sessions_list", caller=reader), Invoked)
    assert await invoke("acts", caller=reader) == NotInvoked(
        "forbidden", "missing scope: operator.write"
    )
    assert isinstance(
        await invoke("acts", {"action": "status"}, caller=program(Scope.WRITE)), Invoked
    )


async def test_a_caller_without_admin_has_no_tool_of_admins():
    """Row Q07: the second door asks for what the first one asks for."""
    writer = program(Scope.WRITE)
    assert isinstance(await invoke("administers", {"action": "long"}), Invoked)
    assert isinstance(await invoke("administers", {"action": "status"}, caller=writer), Invoked)
    for odd in ({}, {"action": "long"}, {"action": ["status"]}, {"action": None}):
        found = await invoke("administers", odd, caller=writer)
        assert found == NotInvoked("forbidden", "missing scope: operator.admin")


@pytest.mark.parametrize("key", ["agent:", "x" * 600])
async def test_a_key_that_is_none_is_a_trouble_of_the_call(key: str):
    assert (await invoke("session_status", session_key=key)).kind == "tool_error"


async def test_an_agent_that_nobody_configured_has_no_tools():
    found = await invoke("session_status", session_key="agent:other:main")
    assert found == NotInvoked("tool_error", 'unknown agent id "other"')


async def test_a_program_gets_the_whole_text():
    found = await invoke("acts", {"action": "long"})
    assert len(found.result["content"][0]["text"]) == MAX_OUTPUT_CHARS + 1
