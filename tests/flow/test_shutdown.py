"""SIGTERM, a second gateway, exit codes: how the real process begins and ends."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from support.gateway import (
    Started,
    environment,
    free_port,
    gateway_with_model,
    restart,
)
from support.ws import chat_events, peer, talk

pytestmark = pytest.mark.slow
READ_WRITE = ("operator.read", "operator.write")


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


async def refused_start(
    like: Started, *arguments: str, config: Any = None, home: Path | None = None
) -> tuple[int, str]:
    """Start a gateway that is not expected to listen; its exit code and what it said."""
    home = home or like.home
    if config is not None:
        (home / "other.json").write_text(json.dumps(config))
        arguments = ("--config", str(home / "other.json"), *arguments)
    process = await asyncio.create_subprocess_exec(
        like.command[0],
        "up",
        "--no-chat",
        "--no-model",
        "--json",
        *arguments,
        env=environment(home),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(30):
            _, errors = await process.communicate()
    except TimeoutError:
        process.kill()
        raise
    assert process.returncode is not None
    return process.returncode, errors.decode()


async def test_sigterm_says_goodbye_and_ends_in_time(gateway):
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        began = time.monotonic()
        assert await gateway.stop() == 0
        assert time.monotonic() - began < 10
        closed = await person.until(lambda: person.closed, "the close")
        assert closed[:2] == (1012, "service restart")
        (shutdown,) = person.events("shutdown")
        assert shutdown["payload"]["reason"]
        assert isinstance(shutdown["seq"], int)


async def test_a_short_turn_ends_before_the_gateway_does(gateway):
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        params = {
            "sessionKey": "main",
            "message": "[[gap:100]][[tokens:8]]",
            "idempotencyKey": "short",
        }
        await person.call("send", "chat.send", params)
        await person.until(lambda: chat_events(person, "short", "delta"), "the first word")
        assert await gateway.stop() == 0
        await person.until(lambda: chat_events(person, "short", "final"), "the answer")


async def test_a_long_turn_is_cut_in_time_and_told_now_and_after_the_restart(gateway):
    params = {"sessionKey": "main", "message": "[[hang]]", "idempotencyKey": "long"}
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        await person.call("send", "chat.send", params)
        await person.until(lambda: chat_events(person, "long", "delta"), "the first word")
        began = time.monotonic()
        assert await gateway.stop() == 0
        assert time.monotonic() - began < 10
        await person.until(lambda: chat_events(person, "long", "error"), "word of the cut")
    again = await restart(gateway)
    try:
        async with peer(again.url, scopes=READ_WRITE) as person:
            await person.until(lambda: chat_events(person, "long", "error"), "word of the cut")
            answer = await person.call("again", "chat.send", params)
            assert answer["payload"]["status"] == "error"
    finally:
        assert await again.stop() == 0


async def test_a_restart_keeps_sessions_and_transcripts(gateway):
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        await talk(person, "agent:main:kept", "remember this", "one")
        before = await person.call("h", "chat.history", {"sessionKey": "agent:main:kept"})
    assert await gateway.stop() == 0
    again = await restart(gateway)
    try:
        async with peer(again.url, scopes=READ_WRITE) as person:
            after = await person.call("h", "chat.history", {"sessionKey": "agent:main:kept"})
            assert after["payload"] == before["payload"]
            assert len(after["payload"]["messages"]) == 2
            listed = await person.call("l", "sessions.list", {})
            assert "agent:main:kept" in [one["key"] for one in listed["payload"]["sessions"]]
            answer = await person.call(
                "again",
                "chat.send",
                {"sessionKey": "agent:main:kept", "message": "x", "idempotencyKey": "one"},
            )
            assert answer["payload"]["status"] == "ok"
    finally:
        assert await again.stop(signal.SIGINT) == 0


async def test_a_second_gateway_on_the_same_state_says_who_holds_it(gateway):
    code, said = await refused_start(
        gateway, "--state-dir", str(gateway.state_dir), "--port", str(free_port())
    )
    assert code not in (0, 2)
    assert f"process {gateway.process.pid}" in said
    async with peer(gateway.url, scopes=READ_WRITE) as person:
        assert (await person.call("h", "health", {}))["ok"] is True


async def test_a_taken_port_is_named(gateway, tmp_path):
    code, said = await refused_start(
        gateway, "--state-dir", str(tmp_path / "other"), "--port", str(gateway.port)
    )
    assert code not in (0, 2)
    assert str(gateway.port) in said


async def test_the_network_is_not_served_without_authentication_that_can_refuse(gateway, tmp_path):
    """`auth.mode` password without a password would let nobody or everybody in: 78."""
    config = {"gateway": {"bind": "lan", "auth": {"mode": "password"}}}
    code, said = await refused_start(
        gateway,
        "--state-dir",
        str(tmp_path / "other"),
        "--port",
        str(free_port()),
        config=config,
    )
    assert code == 78, said
    assert "password" in said


async def test_usage_errors_are_2(gateway):
    code, _ = await refused_start(gateway, "--no-such-flag")
    assert code == 2
