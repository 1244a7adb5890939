"""How a session stands, in words."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.agent.tools.registry import ToolTrouble
from carapace.agent.tools.sessions import TOOLS, status_text
from carapace.ids import AgentId, SessionKey
from carapace.protocol.sessions import DeliveryContext, SessionsPatch
from carapace.sessions.types import Route, SessionEntry
from support.agent_house import AgentHouse, agent_house, done
from support.scripted_provider import call_tool, say
from support.tool_calls import tool_context


def test_the_status_names_model_context_and_cost():
    entry = SessionEntry(
        SessionKey("agent:main:main"),
        "s",
        AgentId("main"),
        0,
        0,
        model_provider="fake",
        model="fake-1",
        total_tokens=50,
        context_tokens=100,
    )
    text = status_text(entry, now_ms=3_000)
    assert "fake/fake-1" in text
    assert "50 tokens of 100 (50%)" in text
    assert "3 s ago" in text
    assert "nothing has been said" in status_text(None, now_ms=0)


async def use(house: AgentHouse, name: str, *, is_direct: bool = True, **arguments: Any) -> Any:
    row = TOOLS[name]
    params = msgspec.convert(arguments, row.params)
    return await row.handler(tool_context(house, is_direct=is_direct), params)


async def test_sessions_are_told_apart_by_kind_and_channel():
    async with agent_house() as house:
        for key in ("main", "cron:1", "hook:x", "node-1", "zalo:group:g1", "zalo:direct:u1"):
            await house.sessions.ensure(key)
        route = Route(delivery=DeliveryContext(channel="plain", to="c"), last_channel="other")
        await done(house, "hi", key="agent:main:plain:1", route=route)
        found = await use(house, "sessions_list")
        told = {row["key"]: (row["kind"], row["channel"]) for row in found.details["sessions"]}
        assert told == {
            "agent:main:main": ("main", "unknown"),
            "agent:main:cron:1": ("cron", "internal"),
            "agent:main:hook:x": ("hook", "internal"),
            "agent:main:node-1": ("node", "internal"),
            "agent:main:zalo:group:g1": ("group", "zalo"),
            "agent:main:zalo:direct:u1": ("other", "unknown"),
            "agent:main:plain:1": ("other", "plain"),
        }
        some = await use(house, "sessions_list", kinds=["cron", "group"], limit=1)
        assert some.details["count"] == 1
        assert some.details["sessions"][0]["kind"] in ("cron", "group")


async def test_a_model_is_shown_a_line_for_each_with_quotes_around_what_people_said():
    async with agent_house() as house:
        await house.sessions.patch(SessionsPatch(key="main", label='a "b"\u2028c'))
        await house.sessions.inject("main", "first")
        await house.sessions.inject("main", "second\nline")
        found = await use(house, "sessions_list", is_direct=False, messageLimit=1)
        line, said = found.text.split("\n")
        assert line.startswith('agent:main:main: "a \\"b\\"')
        assert "second\\nline" in said
        assert len(found.details["sessions"][0]["messages"]) == 1
        none = await use(house, "sessions_list", is_direct=False, search="nothing")
        assert none.text == "There are no conversations."


async def test_a_long_message_is_cut_and_results_of_tools_are_asked_for():
    script = (call_tool("session_status"), say("x" * 5_000))
    async with agent_house(*script) as house:
        await done(house, "go")
        plain = await use(house, "sessions_history", sessionKey="main")
        roles = [one["role"] for one in plain.details["messages"]]
        assert roles == ["user", "assistant"]
        assert plain.details["messages"][1]["content"][0]["text"].endswith("x [...]")
        full = await use(house, "sessions_history", sessionKey="main", includeTools=True)
        assert "toolResult" in [one["role"] for one in full.details["messages"]]


async def test_the_status_of_another_session_is_told_if_it_is_there():
    async with agent_house() as house:
        await house.sessions.ensure("work")
        found = await use(house, "session_status", sessionKey="work")
        assert found.details["sessionKey"] == "agent:main:work"
        with pytest.raises(ToolTrouble, match="Unknown sessionKey: gone"):
            await use(house, "session_status", sessionKey="gone")
