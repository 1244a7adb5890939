"""Metrics are on a listener of their own, and strangers do not read them."""

from __future__ import annotations

import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from carapace.config.settings.metrics import MetricsSettings
from carapace.errors import Failed, Refused
from carapace.server.http_metrics import MetricsListener
from carapace.telemetry.metrics import Metrics
from support.gateway import free_port

SECRET = "a-token-for-the-scraper"


def metrics() -> Metrics:
    return Metrics("1.2.3", with_process=False)


@asynccontextmanager
async def listening(**more: str) -> AsyncGenerator[str]:
    settings = MetricsSettings(enabled=True, port=free_port(), **more)
    listener = MetricsListener(settings, metrics())
    await listener.start()
    try:
        yield f"http://127.0.0.1:{settings.port}"
    finally:
        await listener.stop()


async def get(url: str, token: str | None = None) -> tuple[int, str, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, answer.headers["Content-Type"], await answer.text()


async def test_on_loopback_the_page_is_open_and_nothing_else_is_there():
    async with listening() as url:
        status, kind, text = await get(f"{url}/metrics")
        assert status == 200
        assert kind.startswith("text/plain")
        assert "carapace_build_info{python=" in text
        assert (await get(f"{url}/health"))[0] == 404


async def test_a_token_is_asked_for_if_there_is_one():
    async with listening(token=SECRET) as url:
        assert (await get(f"{url}/metrics"))[0] == 401
        assert (await get(f"{url}/metrics", "wrong"))[0] == 401
        assert (await get(f"{url}/metrics", SECRET))[0] == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "metrics.example"])  # noqa: S104 - refused
def test_other_machines_are_not_let_in_without_a_token(host: str):
    with pytest.raises(Refused, match=r"set metrics\.token"):
        MetricsListener(MetricsSettings(enabled=True, host=host), metrics())
    MetricsListener(MetricsSettings(enabled=True, host=host, token=SECRET), metrics())


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_none(host: str):
    MetricsListener(MetricsSettings(enabled=True, host=host), metrics())


async def test_a_port_that_is_taken_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = MetricsSettings(enabled=True, port=taken.getsockname()[1])
        listener = MetricsListener(settings, metrics())
        with pytest.raises(Failed, match=rf"127\.0\.0\.1:{settings.port} .*metrics\.port"):
            await listener.start()
    await listener.stop()
