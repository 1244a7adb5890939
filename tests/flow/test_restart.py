"""The gateway restarts itself: what clients see, what is kept, and what a crash between loses."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace_tools.golden.connection import Connection
from support.gateway import Started, ended, gateway_with_model, restart
from support.ws import chat_events, peer, talk

pytestmark = pytest.mark.slow
BACK_DEADLINE_S = 15.0
NOTE = "The gateway was restarted by config.patch."


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Started]:
    async with gateway_with_model(tmp_path) as started:
        yield started


async def patch(admin: Connection, raw: str, **params: Any) -> dict[str, Any]:
    base = (await admin.call("get", "config.get", {}))["payload"]["hash"]
    answer = await admin.call("patch", "config.patch", {"raw": raw, "baseHash": base, **params})
    assert answer["ok"], answer
    payload: dict[str, Any] = answer["payload"]
    return payload


async def saw_the_restart(admin: Connection) -> None:
    """Every client is told, and its connection ends as clients know it."""
    closed = await admin.until(lambda: admin.closed, "the close")
    assert closed[:2] == (1012, "service restart")
    (shutdown,) = admin.events("shutdown")
    assert shutdown["payload"] == {"reason": "gateway restarting", "restartExpectedMs": 1500}
    assert isinstance(shutdown["seq"], int)


@asynccontextmanager
async def back(gateway: Started) -> AsyncGenerator[Connection]:
    """An administrator's connection, as soon as the gateway lets one in again."""
    end = time.monotonic() + BACK_DEADLINE_S
    async with AsyncExitStack() as stack:
        while True:
            try:
                admin = await stack.enter_async_context(peer(gateway.url, device="admin"))
                break
            except OSError:
                assert time.monotonic() < end, gateway.log()[-3000:]
                await asyncio.sleep(0.05)  # polls another process, with the deadline above
        yield admin


async def history(admin: Connection) -> list[str]:
    answer = await admin.call("h", "chat.history", {"sessionKey": "main"})
    return [json.dumps(one) for one in answer["payload"]["messages"]]


async def tick_ms(admin: Connection) -> int:
    (hello,) = admin.answers("connect")
    return int(hello["payload"]["policy"]["tickIntervalMs"])


async def told(admin: Connection) -> list[str]:
    return [one for one in await history(admin) if NOTE in one]


async def test_what_needs_a_restart_is_in_effect_when_clients_are_back(gateway):
    async with peer(gateway.url, device="admin") as admin, peer(gateway.url) as other:
        answer = await patch(
            admin,
            "{gateway: {tickIntervalS: 7}}",
            sessionKey="main",
            note="for a test",
            restartDelayMs=100,
        )
        assert answer["restart"]["pid"] == gateway.process.pid
        assert answer["restart"]["delayMs"] == 100
        assert answer["sentinel"]["payload"]["sessionKey"] == "main"
        await saw_the_restart(admin)
        await saw_the_restart(other)
    async with back(gateway) as admin:
        assert await tick_ms(admin) == 7_000
        [note] = await told(admin)
        assert "gateway.tickIntervalS" in note
        assert "for a test" in note
    assert gateway.process.returncode is None


async def test_a_session_is_told_once_however_often_it_restarts(gateway):
    async with peer(gateway.url, device="admin") as admin:
        await patch(admin, "{}", sessionKey="main", restartDelayMs=0)
        await saw_the_restart(admin)
    for _ in range(2):
        async with back(gateway) as admin:
            gateway.process.send_signal(signal.SIGUSR1)
            await saw_the_restart(admin)
    async with back(gateway) as admin:
        assert len(await told(admin)) == 1


@pytest.mark.parametrize("how", ["config.set", "a saved file"])
async def test_a_changed_file_restarts_it_where_the_mode_says_so(gateway, how):
    path = gateway.home / "carapace.json"
    config = json.loads(path.read_text())
    config["gateway"]["tickIntervalS"] = 8
    text = json.dumps(config)
    async with peer(gateway.url, device="admin") as admin:
        if how == "config.set":
            base = (await admin.call("get", "config.get", {}))["payload"]["hash"]
            answer = await admin.call("set", "config.set", {"raw": text, "baseHash": base})
            assert set(answer["payload"]) == {"ok", "path", "config"}
        else:
            path.write_text(text)
        await saw_the_restart(admin)
    async with back(gateway) as admin:
        assert await tick_ms(admin) == 8_000


async def test_killed_between_the_write_and_the_restart_it_loses_nothing(gateway):
    async with peer(gateway.url, device="admin") as admin:
        raw = "{gateway: {tickIntervalS: 9}}"
        await patch(admin, raw, sessionKey="main", note="kept", restartDelayMs=60_000)
        gateway.kill()
    await gateway.process.wait()
    again = await restart(gateway)
    try:
        async with back(again) as admin:
            assert await tick_ms(admin) == 9_000
            [note] = await told(admin)
            assert "kept" in note
    finally:
        await ended(again)


async def test_killed_at_any_moment_it_tells_what_was_written_and_once(gateway):
    """The file and what the session is told agree, wherever the kill falls."""
    luck, current = random.Random(20261123), gateway
    for number in range(2):
        async with peer(current.url, device="admin") as admin:
            base = (await admin.call("get", "config.get", {}))["payload"]["hash"]
            before = len(await told(admin))
            params = {
                "raw": f"{{gateway: {{tickIntervalS: {10 + number}}}}}",
                "baseHash": base,
                "sessionKey": "main",
                "note": f"change {number}",
                "restartDelayMs": 0,
            }
            frame = {"type": "req", "id": "p", "method": "config.patch", "params": params}
            await admin.send(frame)
            await asyncio.sleep(luck.uniform(0, 0.08))  # the moment of the kill, not a wait
            current.kill()
        await current.process.wait()
        written = json.loads((gateway.home / "carapace.json").read_text())["gateway"]
        is_written = written.get("tickIntervalS") == 10 + number
        current = await restart(gateway)
        async with back(current) as admin:
            assert len(await told(admin)) - before == int(is_written)
    await ended(current)


async def test_an_answer_under_way_is_finished_before_the_restart(gateway):
    params = {"sessionKey": "main", "message": "[[gap:50]][[tokens:8]]", "idempotencyKey": "short"}
    async with peer(gateway.url, device="admin") as admin:
        await admin.call("send", "chat.send", params)
        await admin.until(lambda: chat_events(admin, "short", "delta"), "the first word")
        gateway.process.send_signal(signal.SIGUSR1)
        await saw_the_restart(admin)
        assert chat_events(admin, "short", "final")
    async with back(gateway) as admin:
        await talk(admin, "main", "hello", "after")


async def test_restarts_leave_nothing_open_behind_them(gateway):
    folder = Path(f"/proc/{gateway.process.pid}")
    if not folder.is_dir():
        pytest.skip("counts what Linux shows")

    def opened() -> tuple[int, int]:
        return len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir()))

    counts = []
    for _ in range(4):
        async with back(gateway) as admin:
            gateway.process.send_signal(signal.SIGUSR1)
            await saw_the_restart(admin)
        async with back(gateway) as admin:
            await talk(admin, "main", "hello", f"run-{len(counts)}")
            counts.append(opened())
    assert counts[-1][0] <= counts[1][0] + 2
    assert counts[-1][1] <= counts[1][1] + 2


async def test_it_still_stops_as_asked_after_a_restart(gateway):
    async with peer(gateway.url, device="admin") as admin:
        gateway.process.send_signal(signal.SIGUSR1)
        await saw_the_restart(admin)
    async with back(gateway):
        assert await gateway.stop() == 0
