"""`channels.status` with `probe`: each plugin's channel says whether its service takes us."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest

from carapace.channels.types import ChannelInfo
from carapace.config.settings.channels import ChannelsSettings, PluginChannelSettings
from carapace.methods.channel_probe import probe_accounts
from carapace.plugins.errors import GuestError, GuestTrap
from support.methods import MethodHouse, method_house
from support.recording_channel import RecordingChannel
from support.scripted_host import ScriptedHost


@pytest.fixture
async def house() -> AsyncGenerator[MethodHouse]:
    async with method_house() as one:
        yield one


def plugin(house: MethodHouse, probe: Any) -> ScriptedHost:
    house.services.accounts.add(RecordingChannel(ChannelInfo(id="zalo", label="Zalo", order=50)))
    house.services.accounts.apply(
        ChannelsSettings(plugins={"zalo": PluginChannelSettings(enabled=True)})
    )
    host = house.plugins.run("zalo", "channel")
    host.script("zalo:channel.probe", probe)
    return host


async def probed(house: MethodHouse) -> Any:
    """What the account's row and the channel's say of it."""
    answer = await house.call("channels.status", {"probe": True})
    [row] = answer["channelAccounts"]["zalo"]
    assert answer["channels"]["zalo"]["probe"] == row["probe"]
    assert row["lastProbeAt"] == house.clock.now_ms()
    return row["probe"]


async def test_what_a_service_told_is_shown_and_stays(house: MethodHouse):
    plugin(house, lambda _account: json.dumps({"name": "Bot", "id": 7}))
    assert await probed(house) == {
        "name": "Bot", "id": 7, "ok": True, "error": None, "elapsedMs": 0,
    }  # fmt: skip
    later = await house.call("channels.status", {})
    assert later["channels"]["zalo"]["probe"]["name"] == "Bot"


async def test_only_short_plain_values_are_shown(house: MethodHouse):
    told = {"deep": {"a": 1}, "list": [1], "share": 0.5, "ok": False, "text": "x\n" * 5000}
    plugin(house, lambda _account: json.dumps(told | {f"k{n}": n for n in range(50)}))
    shown = await probed(house)
    assert not {"deep", "list", "share"} & shown.keys()
    assert shown["ok"] is True
    assert "\n" not in shown["text"]
    assert len(shown["text"]) < 5000
    assert len(shown) < 25


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        (GuestError("auth", "the token is not taken"), "the token is not taken"),
        (GuestError("auth", ""), "auth"),
        (GuestTrap("deadline", "interrupt"), "interrupt"),
    ],
)
async def test_a_service_that_says_no_is_told_with_its_reason(
    house: MethodHouse, trouble: Exception, why: str
):
    def refuse(_account: str) -> str:
        raise trouble

    plugin(house, refuse)
    shown = await probed(house)
    assert shown["ok"] is False
    assert why in shown["error"]


@pytest.mark.parametrize("answer", ["no json", "[1]", 5])
async def test_nonsense_is_called_so(house: MethodHouse, answer: Any):
    plugin(house, lambda _account: answer)
    assert await probed(house) == {
        "ok": False, "error": "the plugin's answer makes no sense", "elapsedMs": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("asked_ms", "given_s"), [(None, 10.0), (0, 1.0), (2_500, 2.5), (10_000_000, 30.0)]
)
async def test_nobody_is_waited_for_longer_than_half_a_minute(
    house: MethodHouse, asked_ms: int | None, given_s: float
):
    host = plugin(house, lambda _account: "{}")
    await probe_accounts(house.services, asked_ms)
    assert [one.timeout_s for one in host.made("channel", "probe")] == [given_s]


async def test_without_probe_nobody_is_asked_and_nothing_is_shown(house: MethodHouse):
    host = plugin(house, lambda _account: "{}")
    answer = await house.call("channels.status", {})
    assert host.calls == []
    assert answer["channels"]["zalo"]["lastProbeAt"] is None
    assert "probe" not in answer["channels"]["zalo"]


async def test_channels_of_the_house_and_accounts_that_are_off_are_not_asked(house: MethodHouse):
    host = plugin(house, lambda _account: "{}")
    house.services.accounts.apply(
        ChannelsSettings(plugins={"zalo": PluginChannelSettings(enabled=False)})
    )
    async with asyncio.timeout(5):
        await probe_accounts(house.services, None)
    assert host.calls == []
