"""Which agents a model may have work for it."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.agents import AgentsList, AgentsTool
from carapace.config.settings.agents import AgentEntry, AgentSubagents
from carapace.ids import AgentId
from support.agent_house import agent_house
from support.tool_calls import tool_context


@pytest.mark.parametrize(
    ("entries", "own"),
    [
        ((), {"id": "main", "configured": False}),
        ((AgentEntry(id="Main"),), {"id": "main", "configured": True}),
        (
            (AgentEntry(id="other"), AgentEntry(id="main", name="Shelly")),
            {"id": "main", "configured": True, "name": "Shelly"},
        ),
    ],
)
async def test_without_settings_an_agent_works_for_itself_alone(
    entries: tuple[AgentEntry, ...], own: dict[str, object]
):
    tool = AgentsTool(lambda: entries)
    async with agent_house() as house:
        answer = await tool.list(tool_context(house, agent_id=AgentId("main")), AgentsList())
    assert answer.details == {"requester": "main", "allowAny": False, "agents": [own]}
    assert msgspec.json.decode(answer.text) == answer.details


@pytest.mark.parametrize(
    ("allowed", "ids"),
    [
        (("Helper",), ["main", "helper"]),
        (("gone", "helper", "main"), ["main", "gone", "helper"]),
        (("*",), ["main", "helper", "third"]),
    ],
)
async def test_others_are_those_that_the_settings_name(allowed: tuple[str, ...], ids: list[str]):
    entries = (
        AgentEntry(id="main", subagents=AgentSubagents(allow_agents=allowed)),
        AgentEntry(id="third"),
        AgentEntry(id="helper"),
    )
    async with agent_house() as house:
        answer = await AgentsTool(lambda: entries).list(tool_context(house), AgentsList())
    assert [one["id"] for one in answer.details["agents"]] == ids
    assert answer.details["allowAny"] is ("*" in allowed)
    assert answer.details["agents"][1]["configured"] is (ids[1] != "gone")


def test_it_only_reads():
    (row,) = AgentsTool(tuple).tools().values()
    assert (row.name, row.risk) == ("agents_list", Risk.READ)
