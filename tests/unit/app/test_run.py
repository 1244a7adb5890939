"""A gateway lives as long as its event says."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from carapace.app.options import UpOptions
from carapace.app.run import run_gateway
from carapace.errors import GatewayError
from support.gateway import free_port
from support.polling import until

pytestmark = pytest.mark.slow


def options(folder: Path, port: int) -> UpOptions:
    return UpOptions(
        config=str(folder / "c.json"),
        state_dir=str(folder / "state"),
        port=port,
        token="a-token-for-this-test",
        no_model=True,
    )


async def test_it_reports_once_and_stops_when_told(tmp_path: Path):
    told: list[dict[str, Any]] = []
    stop = asyncio.Event()

    def ready(said: dict[str, Any]) -> None:
        told.append(said)
        stop.set()

    port = free_port()
    await run_gateway(options(tmp_path, port), on_ready=ready, stop=stop)
    assert [said["port"] for said in told] == [port]
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_it_stops_in_order_when_the_listener_of_the_news_fails(tmp_path: Path):
    def ready(_said: dict[str, Any]) -> None:
        raise RuntimeError("nobody there")

    port = free_port()
    with pytest.raises(RuntimeError, match="nobody there"):
        await run_gateway(options(tmp_path, port), on_ready=ready, stop=asyncio.Event())
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


async def test_what_keeps_it_from_starting_is_raised_and_nothing_is_reported(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(GatewayError):
            await run_gateway(
                options(tmp_path, taken.getsockname()[1]), on_ready=print, stop=asyncio.Event()
            )


async def listens(port: int) -> str:
    """The answer of the gateway on `port`, as soon as it gives one."""
    async with asyncio.timeout(20), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"http://127.0.0.1:{port}/health") as answer:
                    return await answer.text()
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.02)  # nothing tells when it listens again


async def test_a_signal_makes_another_in_its_place_and_the_news_is_told_once(tmp_path: Path):
    told: list[dict[str, Any]] = []
    stop, port = asyncio.Event(), free_port()

    async def life() -> None:
        await run_gateway(options(tmp_path, port), on_ready=told.append, stop=stop)

    async with asyncio.TaskGroup() as group:
        group.create_task(life())
        await listens(port)
        for _ in range(2):
            log = tmp_path / "state" / "audit"
            before = starts(log)
            signal.raise_signal(signal.SIGUSR1)
            await until(lambda log=log, before=before: starts(log) > before, deadline_s=20)
            await listens(port)
        stop.set()
    assert len(told) == 1
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def starts(folder: Path) -> int:
    """How often a gateway was started on that state."""
    return sum(path.read_text().count("gateway.started") for path in folder.rglob("*.jsonl"))


def test_beside_a_chat_there_are_no_signals_to_hear(tmp_path: Path):
    """In another thread than the first one it runs all the same."""
    told: list[dict[str, Any]] = []

    async def life() -> None:
        stop = asyncio.Event()

        def ready(said: dict[str, Any]) -> None:
            told.append(said)
            stop.set()

        await run_gateway(options(tmp_path, free_port()), on_ready=ready, stop=stop)

    thread = threading.Thread(target=lambda: asyncio.run(life()))
    thread.start()
    thread.join(20)
    assert not thread.is_alive()
    assert len(told) == 1
