"""Sub-agents over a real socket: an end is told once, also if the gateway is killed meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import ended, model_server, restart, settings, start_gateway
from support.ws import peer, talk

WORK = "count the sheep"


def spawning(task: str, label: str) -> str:
    """A message that makes the scripted model call the tool, whatever marks the task holds."""
    arguments = json.dumps({"task": task, "label": label})
    arguments = arguments.replace("[", r"\u005b").replace("]", r"\u005d")
    return f"[[tool:sessions_spawn {arguments}]] go"


def announced(connection: Connection) -> list[dict[str, Any]]:
    """Ends of turns that tell how a sub-agent ended."""
    payloads = [frame["payload"] for frame in connection.events("chat")]
    return [
        one for one in payloads if one["runId"].startswith("announce-") and one["state"] == "final"
    ]


async def children(connection: Connection) -> list[dict[str, Any]]:
    answer = await connection.call("c", "sessions.list", {"spawnedBy": "main"})
    rows: list[dict[str, Any]] = answer["payload"]["sessions"]
    return rows


async def reports(connection: Connection) -> list[str]:
    """What the parent's transcript holds of them."""
    answer = await connection.call("h", "chat.history", {"sessionKey": "main", "limit": 1000})
    texts = [
        part["text"]
        for message in answer["payload"]["messages"]
        if message["role"] == "user"
        for part in message["content"]
        if part["type"] == "text"
    ]
    return [text for text in texts if text.startswith("Sub-agent:")]


@pytest.mark.slow
async def test_the_end_of_a_child_is_a_turn_of_its_parent(tmp_path: Path):
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", settings(model.port))
        try:
            async with peer(gateway.url) as connection:
                end = await talk(connection, "main", spawning(WORK, "Sheep"), "p1")
                assert end["state"] == "final"
                (child,) = await children(connection)
                assert child["label"] == "Sheep"
                await connection.until(lambda: announced(connection), "the telling of the end")
                (report,) = await reports(connection)
        finally:
            await ended(gateway)
    assert "It finished." in report
    assert WORK in report


@pytest.mark.slow
async def test_a_kill_leaves_the_end_owed_and_it_is_told_once(tmp_path: Path):
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", settings(model.port))
        try:
            async with peer(gateway.url) as connection:
                slow = f"[[delay:1500]] {WORK}"
                await talk(connection, "main", spawning(slow, "Slow"), "p1")
                assert len(await children(connection)) == 1
                gateway.kill()
                await gateway.process.wait()
            gateway = await restart(gateway)
            async with peer(gateway.url) as connection:
                await connection.until(lambda: announced(connection), "the telling of the end")
                (report,) = await reports(connection)
                assert "interrupted by a restart" in report
            gateway.kill()
            await gateway.process.wait()
            gateway = await restart(gateway)
            async with peer(gateway.url) as connection:
                await talk(connection, "main", "anything else?", "p2")
                assert len(await reports(connection)) == 1
                assert announced(connection) == []
        finally:
            await ended(gateway)


@pytest.mark.slow
async def test_stopping_the_parent_stops_the_child(tmp_path: Path):
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", settings(model.port))
        try:
            async with peer(gateway.url) as connection:
                await talk(connection, "main", spawning("[[hang]] wait", "Stuck"), "p1")
                (child,) = await children(connection)
                stop = {"sessionKey": "main", "message": "/stop", "idempotencyKey": "s1"}
                answer = await connection.call("s", "chat.send", stop)
                assert answer["payload"]["aborted"]
                assert len(answer["payload"]["runIds"]) == 1
                history = {"sessionKey": child["key"]}
                assert (await connection.call("h2", "chat.history", history))["ok"]
                assert await reports(connection) == []
        finally:
            await ended(gateway)
