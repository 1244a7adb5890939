"""Hooks through the whole gateway: answered as recorded, and kept over a kill."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from support.gateway import Started, ended, model_server, restart, settings, start_gateway
from support.ws import peer

HOOK_TOKEN = "hook-token-0123456789-0123456789"
BEARER = {"Authorization": f"Bearer {HOOK_TOKEN}"}
DEADLINE_S = 30.0


def with_hooks(model_port: int) -> dict[str, Any]:
    config = settings(model_port)
    config["hooks"] = {
        "enabled": True,
        "token": HOOK_TOKEN,
        "allowRequestSessionKey": True,
        "allowedSessionKeyPrefixes": ["hook:"],
    }
    return config


async def post(gateway: Started, path: str, body: Any, headers: Any = None) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(gateway.http + path, json=body, headers=headers or BEARER) as response,
    ):
        is_json = response.content_type == "application/json"
        return response.status, await (response.json() if is_json else response.text())


async def answers(gateway: Started, key: str) -> list[str]:
    """What the assistant has said in a session."""
    async with peer(gateway.url, scopes=("operator.read",)) as client:
        answer = await client.call("h1", "chat.history", {"sessionKey": key})
    page = answer["payload"]
    return [
        part["text"]
        for message in page["messages"]
        if message["role"] == "assistant"
        for part in message["content"]
        if part["type"] == "text"
    ]


async def until_answered(gateway: Started, key: str) -> list[str]:
    async with asyncio.timeout(DEADLINE_S):
        while not (found := await answers(gateway, key)):  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    return found


@asynccontextmanager
async def alive(gateway: Started) -> AsyncGenerator[Started]:
    try:
        yield gateway
    finally:
        await ended(gateway)


@pytest.mark.slow
async def test_hooks_answer_as_recorded_and_survive_a_kill(tmp_path: Path):
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", with_hooks(model.port))
        async with alive(gateway):
            wake = {"text": "golden wake", "mode": "next-heartbeat"}
            assert await post(gateway, "/hooks/wake", wake) == (
                200,
                {"ok": True, "mode": "next-heartbeat"},
            )
            assert await post(gateway, "/hooks/agent", {}) == (
                400,
                {"ok": False, "error": "message required"},
            )
            assert await post(gateway, "/hooks/nothing", {}) == (404, "Not Found")
            wrong = {"Authorization": "Bearer nope"}
            assert await post(gateway, "/hooks/wake", wake, wrong) == (401, "Unauthorized")
            status, told = await post(
                gateway, "/hooks/agent", {"message": "hook hello", "sessionKey": "hook:a"}
            )
            assert (status, told["ok"]) == (202, True)
            assert await until_answered(gateway, "agent:main:hook:a")

            slow = {"message": "[[delay:3000]] one", "sessionKey": "hook:b", "id": "k"}
            status, told = await post(gateway, "/hooks/agent", slow)
            assert status == 202
            gateway.kill()
            await gateway.process.wait()
        gateway = await restart(gateway)
        async with alive(gateway):
            assert await post(gateway, "/hooks/agent", slow) == (202, told)
            assert await until_answered(gateway, "agent:main:hook:b")


@pytest.mark.slow
async def test_a_wake_is_on_disk_and_answered_in_a_moment(tmp_path: Path):
    async with model_server(tmp_path) as model:
        gateway = await start_gateway(tmp_path / "gateway", with_hooks(model.port))
        async with alive(gateway), aiohttp.ClientSession(headers=BEARER) as http:
            took: list[float] = []
            for number in range(300):
                body = {"text": f"n {number}", "mode": "next-heartbeat"}
                begin = time.perf_counter()
                async with http.post(gateway.http + "/hooks/wake", json=body) as response:
                    assert response.status == 200
                took.append((time.perf_counter() - begin) * 1000)
    median = statistics.median(took)
    print(f"POST /hooks/wake: median {median:.2f} ms, slowest {max(took):.1f} ms")
    assert median < 25
