"""Tools that a program calls by itself, in the wired house."""

from __future__ import annotations

from carapace.agent.prompt import PromptStyle
from carapace.agent.tools.invoke import ToolInvoker
from carapace.agent.types import RunSource
from carapace.app.agent_tools import open_agent_tools
from carapace.clock import SystemClock
from support.agent_house import agent_house


async def test_tools_are_called_outside_of_turns():
    async with agent_house() as house:
        invoker = open_agent_tools(
            house.agent._turns._tools,
            sessions=house.sessions,
            memory=house.memory,
            profiles=house.profiles,
            clock=SystemClock(),
        )
        assert isinstance(invoker, ToolInvoker)
        specs = house.agent._turns._tools.specs(RunSource.OPERATOR, PromptStyle.FULL)
        assert {spec.name for spec in specs} >= {"read", "write", "edit", "apply_patch"}
