"""One run seen by two connections, and the events that come by themselves."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import Started, gateway_with_model
from support.ws import chat_events, peer, talk

pytestmark = pytest.mark.slow
READ_WRITE = ("operator.read", "operator.write")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path, tickIntervalS=1) as started:
        yield started


def stream_of(connection: Connection, run_id: str) -> list[dict[str, Any]]:
    events = connection.events("agent", "chat")
    return [
        {"event": one["event"], "payload": one["payload"]}
        for one in events
        if one["payload"]["runId"] == run_id
    ]


def numbers_of(connection: Connection) -> list[int]:
    return [frame["seq"] for frame in connection.frames if "seq" in frame]


async def test_both_connections_see_the_same_run_in_the_same_order(gateway):
    async with (
        peer(gateway.url, scopes=READ_WRITE) as own,
        peer(gateway.url, scopes=("operator.read",)) as other,
    ):
        await talk(own, "agent:main:seen", "[[gap:30]][[tokens:4]]", "seen")
        await other.until(lambda: chat_events(other, "seen", "final"), "the end")
        assert stream_of(own, "seen") == stream_of(other, "seen")
        kinds = [
            one["payload"].get("state") or one["payload"]["data"].get("phase") or "text"
            for one in stream_of(own, "seen")
        ]
        assert kinds[0] == "start"
        assert kinds[-2:] == ["end", "final"]
        assert "delta" in kinds
        for connection in (own, other):
            numbers = numbers_of(connection)
            assert numbers == list(range(1, len(numbers) + 1))


async def test_the_challenge_has_no_number_and_a_client_without_read_sees_no_gap(gateway):
    async with (
        peer(gateway.url, scopes=READ_WRITE) as own,
        peer(gateway.url, device="pairer", scopes=("operator.pairing",)) as pairer,
    ):
        (challenge,) = own.events("connect.challenge")
        assert "seq" not in challenge
        await talk(own, "main", "[[say:secret]]", "hidden")
        await pairer.until(lambda: pairer.events("tick"), "a tick")
        assert pairer.events("chat", "agent") == []
        numbers = numbers_of(pairer)
        assert numbers == list(range(1, len(numbers) + 1))


async def test_tick_health_and_presence_have_their_shapes(gateway):
    async with peer(gateway.url, scopes=READ_WRITE) as watcher:
        async with peer(
            gateway.url,
            device="a mac",
            scopes=("operator.read",),
            client_id="clawdbot-macos",
            mode="ui",
        ):
            await watcher.until(lambda: watcher.events("presence"), "presence")
        path = gateway.home / "carapace.json"
        config = json.loads(path.read_text())
        config["agents"]["defaults"]["maxConcurrent"] = 3
        path.write_text(json.dumps(config))
        await watcher.until(lambda: watcher.events("health"), "health after a change")
        await watcher.until(lambda: watcher.events("tick"), "a tick")
        tick = watcher.events("tick")[0]["payload"]
        assert list(tick) == ["ts"]
        assert isinstance(tick["ts"], int)
        health = watcher.events("health")[-1]
        assert {"presence", "health"} == set(health["stateVersion"])
        assert health["payload"]["ok"] is True
        assert {"ts", "durationMs", "channels", "agents", "sessions"} <= set(health["payload"])
        presence = watcher.events("presence")[0]
        assert {"presence", "health"} == set(presence["stateVersion"])
        entries = presence["payload"]["presence"]
        assert any(one.get("mode") == "gateway" for one in entries)
        assert any(one.get("mode") == "ui" for one in entries)
        assert all(isinstance(one["ts"], int) for one in entries)
