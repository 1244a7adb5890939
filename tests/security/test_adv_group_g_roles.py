"""Advisory group G where a plugin meets the house: what it brings is never more than its own."""

from __future__ import annotations

from contextlib import asynccontextmanager

import msgspec
import pytest

from carapace.agent.approval import ToolPolicy
from carapace.agent.prompt import PromptStyle
from carapace.agent.providers.ports import ToolCall
from carapace.agent.tools.registry import ToolContext
from carapace.agent.types import RunSource
from carapace.app.plugin_bridge import PluginBridge
from carapace.clock import SystemClock
from carapace.errors import Refused
from carapace.hooks.points import BEFORE_TOOL_CALL
from carapace.ids import AgentId, RunId
from carapace.provenance import OWNER
from support.agent_house import MAIN, agent_house
from support.plugin_rooms import installed, plugin_rooms

TOOL = "plugin_parrot_squawk"


@asynccontextmanager
async def running(folder, roles=("tool",), permissions=""):
    async with plugin_rooms(folder) as rig:
        bridge = PluginBridge(installed(roles=roles, permissions=permissions), rig.rooms)
        await bridge.start()
        await bridge.ask()
        await bridge.attach()
        yield rig
        await bridge.close()


async def use(rig, provenance=OWNER):
    async with agent_house() as house:
        context = ToolContext(
            run_id=RunId("r"),
            session_key=MAIN,
            agent_id=AgentId("main"),
            provenance=provenance,
            timezone=None,
            clock=SystemClock(),
            sessions=house.sessions,
            memory=house.memory,
        )
        return await rig.rooms.tools.run(ToolCall("c", TOOL, "{}"), context)


@pytest.mark.parametrize("source", RunSource)
async def test_adv_g11_the_tool_policy_holds_for_tools_of_plugins(tmp_path, source):
    async with running(tmp_path) as rig:
        rig.rooms.tools.apply(ToolPolicy(rules={}))
        assert rig.rooms.tools.specs(source, PromptStyle.FULL) == ()
        assert (await use(rig)).is_error
        rig.rooms.tools.apply(ToolPolicy(deny=frozenset({TOOL})))
        assert (await use(rig)).is_error
        assert rig.host.made("tool", "invoke") == []


async def test_adv_g12_hooks_see_calls_of_a_plugins_tools(tmp_path):
    async def stop(call):
        return msgspec.structs.replace(call, blocked="not today")

    async with running(tmp_path) as rig:
        assert (await use(rig)).text == "squawk 1.0.0"
        rig.rooms.hook_bus.register(BEFORE_TOOL_CALL, stop, owner="a test")
        report = await use(rig)
        assert report.is_error
        assert "not today" in report.text
        assert len(rig.host.made("tool", "invoke")) == 1


async def test_adv_g08_a_plugin_gets_no_hook_that_its_manifest_does_not_name(tmp_path):
    async with plugin_rooms(tmp_path) as rig:
        rig.host.script("hooks.points", lambda: ["message_sending", "before_tool_call"])
        plugin = installed(roles=("hooks",), permissions='hooks = ["message_sending"]')
        bridge = PluginBridge(plugin, rig.rooms)
        await bridge.start()
        await bridge.ask()
        with pytest.raises(Refused, match="before_tool_call"):
            await bridge.attach()
        await bridge.close()
        assert rig.rooms.hook_bus.heard == frozenset()


async def test_adv_g06_nothing_that_a_chat_or_an_agent_can_reach_installs_plugins(tmp_path):
    async with running(tmp_path) as rig:
        specs = rig.rooms.tools.specs(RunSource.OPERATOR, PromptStyle.FULL)
        assert [one.name for one in specs if "plugin" in one.name] == [TOOL]
