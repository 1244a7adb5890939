"""A gateway lives as long as its event says."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from carapace.app.options import UpOptions
from carapace.app.run import run_gateway
from carapace.errors import GatewayError
from support.gateway import free_port

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
