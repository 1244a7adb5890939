from __future__ import annotations

import pytest

from carapace.app.plugin_doors import ChannelDoor, OwnConfig, PluginTurns
from carapace.config.settings.net import ProxySettings
from carapace.errors import Failed, Refused
from carapace.ids import AgentId
from carapace.plugins.capabilities.agent import provenance_of
from carapace.provenance import Authority
from carapace.sessions.keys import canonical
from support.plugin_channel import event, scripted_channel
from support.plugin_rooms import Runs, settings_of
from support.recording_channel import RecordingIntake

ZALO = {
    "botToken": "base-secret",
    "region": "p",
    "dmPolicy": "open",
    "accounts": {"work": {"botToken": "work-secret"}},
}


def config_of(**plain):
    return OwnConfig("zalo", lambda: settings_of(**plain))


def test_a_plugin_sees_its_own_part_and_no_other():
    config = config_of(
        channels={"zalo": ZALO, "webhook": {"secret": "ours"}, "other": {"botToken": "theirs"}},
        plugins={"entries": {"zalo": {"config": {"color": "red"}}, "other": {"config": {"a": 1}}}},
    )
    assert config.settings() == {
        "color": "red",
        "botToken": "base-secret",
        "region": "p",
        "accounts": {
            "default": {"botToken": "base-secret", "region": "p"},
            "work": {"botToken": "work-secret", "region": "p"},
        },
    }


def test_one_that_is_no_channel_has_its_entry_alone():
    assert config_of(plugins={"entries": {"zalo": {"config": {"a": 1}}}}).settings() == {"a": 1}
    assert config_of().settings() == {}


def test_the_proxies_of_its_accounts_are_the_gateways_and_not_shown_to_it():
    given = {
        "proxy": {"url": "http://north.example:3128", "password": "pw"},
        "botToken": "t",
        "accounts": {"work": {}, "far": {"proxy": {"url": "socks5://south.example"}}},
    }
    config = config_of(channels={"zalo": given, "other": {"proxy": {"url": "http://x.example"}}})
    north = ProxySettings(url="http://north.example:3128", password="pw")
    south = ProxySettings(url="socks5://south.example")
    assert config.proxies() == {"default": north, "work": north, "far": south}
    assert "example" not in str(config.settings())
    assert config_of(channels={"zalo": {"botToken": "t"}}).proxies() == {"default": None}
    assert config_of().proxies() == {}


def test_its_secrets_are_found_wherever_they_stand():
    config = config_of(channels={"zalo": ZALO})
    assert set(config.secrets(frozenset({"botToken"}))) == {"base-secret", "work-secret"}
    assert config.secrets(frozenset()) == []
    assert config_of().secrets(frozenset({"botToken"})) == []


async def test_what_is_handed_in_goes_to_the_plugins_own_channel():
    door = ChannelDoor()
    async with scripted_channel() as rig:
        intake = RecordingIntake()
        account = await rig.channel.open("default", rig.settings, intake)
        door.add(rig.channel)
        assert await door.deliver("parrot", event()) == "accepted"
        assert intake.received[0].channel == "parrot"
        door.set("parrot", "default", state="degraded", detail="slow")
        door.set("other", "default", state="degraded", detail="slow")
        assert account.trouble() == "slow"
        with pytest.raises(Refused, match="no channel") as caught:
            await door.deliver("other", event())
        assert caught.value.retryable
        door.remove("parrot")
        door.remove("parrot")
        with pytest.raises(Refused, match="no channel"):
            await door.deliver("parrot", event())


@pytest.mark.parametrize("retryable", [None, False])
async def test_what_was_not_written_down_is_to_be_handed_in_again(retryable):
    door, intake = ChannelDoor(), RecordingIntake()
    async with scripted_channel() as rig:
        await rig.channel.open("default", rig.settings, intake)
        door.add(rig.channel)
        intake.failures.append(Failed("the disk is full", retryable=retryable))
        with pytest.raises(Failed, match="disk") as caught:
            await door.deliver("parrot", event())
        assert caught.value.retryable
        assert await door.deliver("parrot", event()) == "accepted"


async def test_a_turn_of_a_plugin_is_its_own_and_may_do_little():
    runs = Runs()
    turns = PluginTurns("zalo", runs, to_key=canonical, agent_id=lambda: AgentId("main"))
    ids = [
        await turns.start(key, "hi", idempotency_key=once, provenance=provenance_of("zalo"))
        for key, once in (("main", "k1"), ("main", "k1"), ("agent:main:main", "k2"))
    ]
    assert ids[0] == ids[1] != ids[2]
    first, _, third = runs.accepted
    assert first.session_key == "agent:main:plugin:zalo:main"
    assert third.session_key == "agent:main:plugin:zalo:agent:main:main"
    assert first.provenance.authority is Authority.OUTSIDE
    assert "zalo" in (first.extra_system_prompt or "")


async def test_a_key_that_is_none_is_refused():
    turns = PluginTurns("zalo", Runs(), to_key=canonical, agent_id=lambda: AgentId("main"))
    with pytest.raises(Refused):
        await turns.start("a\nb", "hi", idempotency_key="k", provenance=provenance_of("zalo"))
