"""A client that remembers every frame and waits with deadlines."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import pytest

from carapace_tools.golden.connection import Connection, ReplayError
from carapace_tools.golden.identity import Identity
from support.server import TOKEN, running_server


async def test_it_signs_in_calls_and_keeps_the_frames(tmp_path: Path):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as session,
        Connection(session, running.url, {}) as connection,
    ):
        hello = await connection.sign_in(TOKEN, Identity("main"))
        assert hello["type"] == "hello-ok"
        answer = await connection.call("one", "health", {})
        assert answer["payload"]["ok"]
        assert connection.answers("one") == [answer]
        assert connection.frames[0]["event"] == "connect.challenge"
        assert len(connection.events("connect.challenge", "agent")) == 1


async def test_a_refused_sign_in_says_why(tmp_path: Path):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as session,
        Connection(session, running.url, {}) as connection,
    ):
        with pytest.raises(ReplayError, match="sign-in refused"):
            await connection.sign_in("wrong", Identity("main"))


async def test_a_close_is_kept_with_code_and_reason(tmp_path: Path):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as session,
        Connection(session, running.url, {}) as connection,
    ):
        await connection.send_text('{"type":"event"}')
        code, reason, after_s = await connection.until(lambda: connection.closed, "the close")
        assert (code, reason) == (1008, "invalid request frame")
        assert 0 <= after_s < 5


async def test_a_call_on_a_connection_that_closes_fails_with_the_close(tmp_path: Path):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as session,
        Connection(session, running.url, {}) as connection,
    ):
        await connection.nonce()
        await connection.send_text('{"type":"event"}')
        with pytest.raises(ReplayError, match="closed the connection"):
            await connection.call("one", "health", {})


async def test_waiting_for_what_does_not_come_ends_with_the_last_frames(tmp_path: Path):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as session,
        Connection(session, running.url, {}) as connection,
    ):
        await connection.nonce()
        with pytest.raises(ReplayError, match=r"for nothing; last frames: .*connect\.challenge"):
            await connection.until(lambda: None, "nothing", timeout_s=0.01)
