"""Which agents a model may have work for it."""

from __future__ import annotations

import msgspec
import pytest

from carapace.agent.approval import Risk
from carapace.agent.tools.agents import AgentsList, AgentsTool
from carapace.config.settings.agents import AgentEntry
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
async def test_an_agent_works_for_itself_alone(
    entries: tuple[AgentEntry, ...], own: dict[str, object]
):
    tool = AgentsTool(lambda: entries)
    async with agent_house() as house:
        answer = await tool.list(tool_context(house, agent_id=AgentId("main")), AgentsList())
    assert answer.details == {"requester": "main", "allowAny": False, "agents": [own]}
    assert msgspec.json.decode(answer.text) == answer.details


def test_it_only_reads():
    (row,) = AgentsTool(tuple).tools().values()
    assert (row.name, row.risk) == ("agents_list", Risk.READ)
