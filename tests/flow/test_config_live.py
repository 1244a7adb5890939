"""The configuration file, edited and broken while the gateway runs, and written while it dies."""

# ruff: noqa: ASYNC110 - polls another process, with a deadline around it
from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import (
    Started,
    ended,
    gateway_with_model,
    model_server,
    provider,
    restart,
    settings,
    start_gateway,
)
from support.ws import peer

pytestmark = pytest.mark.slow


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


def config_of(gateway: Started) -> Path:
    return gateway.home / "carapace.json"


def edit(gateway: Started, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the file as an editor does: another file takes its place."""
    path = config_of(gateway)
    config: dict[str, Any] = json.loads(path.read_text())
    change(config)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(config))
    fresh.replace(path)


async def ask_until(
    connection: Connection, method: str, check: Callable[[Any], object], timeout_s: float = 10.0
) -> Any:
    """Ask again until the payload is as wanted; no event tells of every reload."""
    async with asyncio.timeout(timeout_s):
        count = 0
        while True:
            count += 1
            payload = (await connection.call(f"{method}-{count}", method, {}))["payload"]
            if check(payload):
                return payload
            await asyncio.sleep(0.05)  # polls another process, with the deadline above


async def test_a_live_key_is_applied_without_a_restart(gateway):
    model_port = json.loads(config_of(gateway).read_text())["models"]["providers"]["fake"]

    def add_provider(config: dict[str, Any]) -> None:
        port = int(model_port["baseUrl"].rpartition(":")[2].partition("/")[0])
        config["models"]["providers"]["another"] = provider(port, id="new-1", name="New One")

    async with peer(gateway.url, device="admin") as admin:
        edit(gateway, add_provider)
        listed = await ask_until(
            admin,
            "models.list",
            lambda payload: any(one["id"] == "new-1" for one in payload["models"]),
        )
        assert any(one["provider"] == "another" for one in listed["models"])


async def test_a_key_that_needs_a_restart_is_reported_and_not_applied_in_mode_hot(tmp_path):
    """The other modes are in `test_restart`."""

    def change(config: dict[str, Any]) -> None:
        config["gateway"]["tickIntervalS"] = 7

    async with gateway_with_model(tmp_path, reload={"mode": "hot"}) as gateway:
        async with peer(gateway.url, device="admin") as admin:
            edit(gateway, change)
            await ask_until(admin, "config.get", lambda payload: "tickIntervalS" in payload["raw"])
        async with asyncio.timeout(5):
            while "Restart the gateway to apply: gateway.tickIntervalS" not in gateway.log():
                await asyncio.sleep(0.05)  # polls another process's log, with the deadline above
        async with peer(gateway.url, device="admin") as again:
            (hello,) = again.answers("connect")
            assert hello["payload"]["policy"]["tickIntervalMs"] == 30_000


async def test_a_broken_file_changes_nothing_and_shows_in_health(gateway):
    path = config_of(gateway)
    good = path.read_text()
    async with peer(gateway.url, device="admin") as admin:
        path.write_text(good.replace('"loopback"', "loop back", 1))
        said = "The configuration is broken"
        health = await ask_until(admin, "health", lambda payload: said in json.dumps(payload))
        assert "cara config validate" in json.dumps(health)
        config = await ask_until(admin, "config.get", lambda payload: not payload["valid"])
        assert config["issues"]
        path.write_text(good)
        await ask_until(admin, "health", lambda payload: said not in json.dumps(payload))


async def test_a_broken_file_starts_on_the_last_good_one(gateway):
    path = config_of(gateway)
    path.write_text(path.read_text() + "}")
    assert await gateway.stop() == 0
    again = await restart(gateway)
    try:
        assert "broken" in again.ready["configIssue"]
        async with peer(again.url, device="admin") as admin:
            listed = await admin.call("m", "models.list", {})
            assert "fake-1" in json.dumps(listed["payload"])
    finally:
        await ended(again)


async def test_kills_while_the_file_is_written_leave_a_whole_file(gateway):
    """`cara config set` is killed at random moments; what is there afterwards is one version."""
    path, luck = config_of(gateway), random.Random(20260131)
    values = set()
    for number in range(12):
        process = await asyncio.create_subprocess_exec(
            gateway.command[0],
            "config",
            "set",
            "agents.defaults.maxConcurrent",
            str(number + 1),
            "--config",
            str(path),
            "--state-dir",
            str(gateway.state_dir),
            env=gateway.env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with asyncio.timeout(luck.uniform(0.15, 0.8)):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
        config = json.loads(path.read_text())
        values.add(config["agents"]["defaults"].get("maxConcurrent"))
        assert config["models"]["providers"]["fake"]["apiKey"] == "fake-key"
    assert values <= {None, *range(1, 13)}
    async with peer(gateway.url, device="admin") as admin:
        await ask_until(admin, "config.get", lambda payload: payload["valid"])


async def test_an_unknown_key_warns_and_a_node_config_is_taken(tmp_path):
    """Keys of the Node gateway that mean nothing here do not stop the start."""
    async with model_server(tmp_path) as model:
        config = settings(model.port) | {"canvasHost": {"enabled": True}, "cron": {"enabled": True}}
        config["gateway"] |= {"portt": 1}
        started = await start_gateway(tmp_path / "gateway", config)
        try:
            assert "portt" in started.log()
        finally:
            await ended(started)
