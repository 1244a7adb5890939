"""How things are, from memory."""

from __future__ import annotations

from support.methods import method_house


async def test_health_is_answered_at_once_and_probe_renews_it():
    async with method_house() as house:
        await house.services.health.renew()
        before = house.services.health.version
        house.degraded["store"] = "the disk is full"
        answer = await house.call("health", {"probe": True})
        assert (answer["ok"], answer["defaultAgentId"]) == (False, "main")
        assert house.services.health.version == before + 1


async def test_health_takes_params_that_make_no_sense():
    async with method_house() as house:
        await house.services.health.renew()
        assert (await house.call("health", {"probe": "maybe"}))["ok"]


async def test_a_failing_check_shows_in_health():
    async with method_house() as house:
        house.degraded["store"] = "the disk is full"
        await house.services.health.renew()
        answer = await house.call("health")
    assert (answer["ok"], answer["degraded"]) == (False, {"store": "the disk is full"})


async def test_status_lists_sessions_heartbeats_and_channels():
    async with method_house() as house:
        await house.services.sessions.ensure("main")
        answer = await house.call("status", {"anything": 1})
    assert answer["sessions"]["count"] == 1
    assert answer["heartbeat"]["defaultAgentId"] == "main"
    assert answer["channelSummary"] == ["Webhook: configured", "  - default (runs)"]
    assert answer["queuedSystemEvents"] == []


async def test_no_heartbeat_has_run():
    async with method_house() as house:
        assert await house.call("last-heartbeat") is None


async def test_presence_begins_with_the_gateway_itself():
    async with method_house() as house:
        entries = await house.call("system-presence")
    assert [entry["reason"] for entry in entries] == ["self"]


async def test_channels_are_listed_with_their_accounts():
    async with method_house() as house:
        answer = await house.call("channels.status", {"probe": True})
    assert answer["channelOrder"] == ["webhook"]
    accounts = answer["channelAccounts"]["webhook"]
    assert [(one["accountId"], one["running"]) for one in accounts] == [("default", True)]
    assert answer["ts"] == house.clock.now_ms()
