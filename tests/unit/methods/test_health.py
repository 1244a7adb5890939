from __future__ import annotations

from pathlib import Path

from support.methods import desk


async def test_health_is_answered_from_memory_whatever_the_params(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        first = await at.ask("health")
        assert first["ok"] is True
        assert first["agents"][0]["agentId"] == "main"
        assert (await at.ask("health", {"surprise": True}))["ts"] == first["ts"]
        assert (await at.ask("health", {"probe": "yes"}))["ts"] == first["ts"]


async def test_a_probe_starts_a_fresh_look(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        before = at.services.health.version
        await at.ask("health", {"probe": True})
        while at.services.health.version == before:
            await at.services.clock.sleep(0.001)
        assert (await at.ask("health"))["sessions"]["count"] == 0


async def test_no_heartbeat_has_run(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        assert await at.ask("last-heartbeat", {"any": "thing"}) is None


async def test_presence_lists_the_gateway_first(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        (own,) = await at.ask("system-presence")
        assert own["mode"] == "gateway"
        assert isinstance(own["ts"], int)


async def test_there_are_no_channels_and_every_map_says_so(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        found = await at.ask("channels.status", {"probe": True, "timeoutMs": 10})
        assert found.pop("ts") > 0
        assert all(not value for value in found.values())
        assert set(found) >= {"channelOrder", "channelLabels", "channels", "channelAccounts"}


async def test_status_is_a_report(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        found = await at.ask("status", {"surprise": True})
        assert found["sessions"]["count"] == 0
        assert found["heartbeat"]["agents"][0]["enabled"] is False
