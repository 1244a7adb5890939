from __future__ import annotations

import asyncio

import pytest

from carapace.agent.prompt import PromptStyle
from carapace.agent.types import RunSource
from carapace.app.plugin_bridge import PluginBridge, check_manifest
from carapace.errors import GatewayError, Refused
from carapace.hooks.points import MESSAGE_SENDING
from carapace.plugins.errors import PluginUnavailable
from carapace.plugins.ports import HostState, RunPhase
from support.plugin_channel import event
from support.plugin_rooms import ALL_ROLES, installed, plugin_rooms, settings_of
from support.polling import until

CHANNELS = {"parrot": {"botToken": "parrot-token", "accounts": {"work": {"botToken": "work-t"}}}}


@pytest.fixture
async def rig(tmp_path):
    async with plugin_rooms(tmp_path, channels=CHANNELS) as one:
        yield one


async def opened(rig, plugin):
    bridge = PluginBridge(plugin, rig.rooms)
    await bridge.start()
    await bridge.ask()
    await bridge.attach()
    return bridge


def tools(rig):
    specs = rig.rooms.tools.specs(RunSource.OPERATOR, PromptStyle.FULL)
    return [one.name for one in specs if one.name.startswith("plugin_")]


async def account(rig, name="default"):
    await until(lambda: rig.rooms.accounts.get("parrot", name))
    return rig.rooms.accounts.get("parrot", name)


async def test_all_that_it_brings_is_put_in_place_and_taken_out(rig):
    bridge = await opened(rig, installed())
    await account(rig, "work")
    await account(rig)
    assert tools(rig) == ["plugin_parrot_squawk"]
    assert (await rig.kernel.send("/plugins/parrot/x")).body == b"1.0.0"
    assert rig.rooms.hook_bus.heard == {MESSAGE_SENDING}
    assert await rig.rooms.channels.deliver("parrot", event()) == "accepted"
    await rig.host.called("service", "start")
    assert set(rig.secrets) == {"parrot-token", "work-t"}

    await bridge.close()
    assert tools(rig) == []
    assert (await rig.kernel.send("/plugins/parrot/x")).status == 404
    assert rig.rooms.hook_bus.heard == frozenset()
    assert rig.rooms.accounts.info("parrot") is None
    assert len(rig.host.made("channel", "stop")) == 2
    assert len(rig.host.made("service", "stop")) == 1
    with pytest.raises(Refused):
        await rig.rooms.channels.deliver("parrot", event())
    await bridge.close()


async def test_the_host_is_told_what_the_manifest_says(rig):
    bridge = await opened(rig, installed(roles=("tool",), permissions="kv_max_bytes = 10"))
    loaded = rig.host.started["parrot"]
    assert loaded.roles == {"tool"}
    assert loaded.grants.interfaces == {"log", "config", "status", "kv"} == set(loaded.capabilities)
    assert loaded.limits.memory_bytes == 64 * 1024 * 1024
    assert loaded.limits.call_timeout_s == 10.0
    await bridge.close()


@pytest.mark.parametrize("role", ALL_ROLES)
async def test_a_role_that_it_has_not_is_not_asked_for(rig, role):
    permissions = 'hooks = ["message_sending"]' if role == "hooks" else ""
    bridge = await opened(rig, installed(roles=(role,), permissions=permissions))
    await asyncio.sleep(0)
    seen = {one.interface for one in rig.host.calls}
    assert seen <= {"manifest", role}
    await bridge.close()


@pytest.mark.parametrize(
    "said",
    [
        {"id": "other", "version": "1.0.0"},
        {"id": "parrot", "version": "2.0.0"},
        {"id": "parrot"},
        7,
    ],
)
async def test_one_that_is_not_what_its_manifest_says_is_refused(rig, said):
    rig.host.script("manifest.describe", lambda: said)
    bridge = PluginBridge(installed(), rig.rooms)
    await bridge.start()
    with pytest.raises(GatewayError, match="parrot"):
        await bridge.ask()
    await bridge.close()


async def test_what_is_in_the_way_leaves_nothing_half_done(rig):
    first = await opened(rig, installed(roles=("tool",), permissions=""))
    again = PluginBridge(installed(roles=("tool",), permissions=""), rig.rooms)
    await again.start()
    await again.ask()
    with pytest.raises(Refused, match="plugin_parrot_squawk"):
        await again.attach()
    await first.close()


async def test_changed_aliases_are_followed_and_told_if_they_cannot_be(rig):
    bridge = await opened(rig, installed(roles=("webhook",), permissions=""))
    assert bridge.troubles() == ()
    rig.settings = settings_of(
        plugins={"entries": {"parrot": {"webhookAliases": ["/old", "/health"]}}}
    )
    bridge.apply()
    bridge.apply()
    assert (await rig.kernel.send("/old")).status == 200
    assert len(bridge.troubles()) == 1
    rig.settings = settings_of()
    bridge.apply()
    assert (await rig.kernel.send("/old")).status == 404
    assert (await rig.kernel.send("/plugins/parrot")).status == 200
    await bridge.close()


async def test_its_troubles_are_those_of_its_process_and_its_service(rig):
    rig.host.script("service.start", lambda: None)
    bridge = await opened(rig, installed())
    await rig.kernel.clock.advance(0)
    assert bridge.troubles() == ()
    rig.host.states["parrot"] = HostState(phase=RunPhase.QUARANTINED, reason="it crashed")
    assert "it crashed" in bridge.troubles()
    rig.host.states["parrot"] = HostState(phase=RunPhase.RUNNING)
    await bridge.close()


async def test_one_that_does_not_start_says_so(rig):
    rig.host.fails_to_start["parrot"] = "no memory"
    with pytest.raises(PluginUnavailable, match="no memory"):
        await PluginBridge(installed(), rig.rooms).start()


@pytest.mark.parametrize("plugin_id", ["webchat", "webhook", "defaults"])
def test_a_channel_cannot_take_a_built_in_ones_name(plugin_id):
    check_manifest(installed(plugin_id=plugin_id, roles=("tool",), permissions="").manifest)
    with pytest.raises(Refused, match="gateway's"):
        check_manifest(installed(plugin_id=plugin_id, roles=("channel",), permissions="").manifest)


def test_a_secret_whose_name_does_not_say_so_is_refused():
    plugin = installed(roles=("tool",), permissions='credentials = ["pin"]')
    with pytest.raises(Refused, match="'pin'"):
        check_manifest(plugin.manifest)
