"""Advisory rows of group A that need a socket; each test is named after its row."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from carapace.config.settings.gateway import GatewaySettings, LimitSettings
from support.server import client_info, raw_socket, running_server, ws_client


async def upgrade_status(running, **headers: str) -> int:
    try:
        async with ws_client(running.url, headers=headers):
            return 101
    except aiohttp.WSServerHandshakeError as error:
        return error.status


async def test_adv_a03_the_presence_of_a_token_lets_nobody_in(tmp_path):
    async with running_server(tmp_path) as running, ws_client(running.url) as client:
        await client.frame()
        answer = await client.connect(auth={"token": "wrong"})
        assert answer["ok"] is False
        assert (await client.closed())[0] == 1008
        assert len(running.server.hub) == 0


async def test_adv_a09_a_trusted_proxy_does_not_excuse_a_foreign_origin(tmp_path):
    settings = GatewaySettings(trusted_proxies=("127.0.0.1",), allowed_origins=("https://ok.test",))
    proxied = {"X-Forwarded-For": "9.9.9.9", "X-Forwarded-Proto": "https"}
    async with running_server(tmp_path, settings=settings) as running:
        assert await upgrade_status(running, Origin="https://evil.test", **proxied) == 403
        assert await upgrade_status(running, Origin="https://ok.test", **proxied) == 101


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://127.0.0.1.evil.test"])
async def test_adv_a10_a_page_cannot_open_loopback(tmp_path, origin):
    async with running_server(tmp_path) as running:
        assert await upgrade_status(running, Origin=origin) == 403


@pytest.mark.parametrize("path", ["/", "/v1/chat/completions", "/health"])
async def test_adv_a11_no_route_takes_a_cross_site_write(tmp_path, path):
    async with running_server(tmp_path) as running, aiohttp.ClientSession() as http:
        for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}):
            async with http.post(running.url + path, headers=headers) as response:
                assert response.status == 403


@pytest.mark.slow
async def test_adv_a12_strangers_are_capped_and_leave_at_the_deadline(tmp_path):
    limits = LimitSettings(
        handshake_timeout_s=1, max_unauthenticated=3, max_unauthenticated_per_address=2
    )
    async with running_server(tmp_path, limits=limits) as running:  # noqa: SIM117 - reads in order
        async with ws_client(running.url) as known:
            await known.frame()
            await known.connect()
            async with ws_client(running.url) as one, ws_client(running.url) as two:
                assert await upgrade_status(running) == 429
                assert (await known.call("health"))["ok"] is True
                began = time.monotonic()
                for stranger in (one, two):
                    await stranger.frame()
                    assert await stranger.closed() == (1000, "")
                assert time.monotonic() - began < 3
            assert (await known.call("health"))["ok"] is True


async def test_adv_a14_both_forms_of_an_address_share_one_cap(tmp_path):
    settings = GatewaySettings(trusted_proxies=("127.0.0.1",))
    limits = LimitSettings(max_unauthenticated_per_address=1)
    async with (
        running_server(tmp_path, settings=settings, limits=limits) as running,
        ws_client(running.url, headers={"X-Forwarded-For": "9.9.9.9"}),
    ):
        assert await upgrade_status(running, **{"X-Forwarded-For": "::ffff:9.9.9.9"}) == 429
        assert await upgrade_status(running, **{"X-Forwarded-For": "9.9.9.8"}) == 101


async def test_adv_a16_readers_see_no_paths_in_hello(tmp_path):
    async with running_server(tmp_path) as running, ws_client(running.url) as client:
        await client.frame()
        hello = await client.connect(scopes=["operator.read"])
        assert hello["ok"] is True
        assert "/secret" not in str(hello)
        assert "configPath" not in hello["payload"]["snapshot"]


async def test_adv_a17_hostile_headers_are_recorded_short_and_escaped(tmp_path):
    async with running_server(tmp_path) as running:
        evil = "https://evil.test/\x1b[31m" + "x" * 7000
        with raw_socket(running.port) as opened:
            loop = asyncio.get_running_loop()
            head = f"GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: {evil}\r\n\r\n"
            await loop.sock_sendall(opened, head.encode())
            async with asyncio.timeout(5):
                answer = await loop.sock_recv(opened, 65_536)
        assert answer.split(b" ")[1] in (b"400", b"403")
        audit = tmp_path / "audit.jsonl"
        text = audit.read_text() if audit.exists() else ""
        assert "\x1b" not in text
        assert all(len(line) < 700 for line in text.splitlines())


async def test_adv_c29_nothing_is_served_before_connect_even_on_loopback(tmp_path):
    async with running_server(tmp_path) as running, ws_client(running.url) as client:
        await client.frame()
        answer = await client.call("health")
        assert answer["ok"] is False
        assert (await client.closed())[0] == 1008


async def test_a_client_cannot_name_its_own_connection(tmp_path):
    """A15: what a call knows of its caller comes from the admission, not from its params."""
    async with running_server(tmp_path) as running, ws_client(running.url) as client:
        await client.frame()
        await client.connect()
        (caller,) = running.server.hub.callers
        assert caller.client_id == "gateway-client"
        assert caller.conn_id != client_info().id
        answer = await client.call("models.list", {"connId": "other"})
        assert "unexpected property 'connId'" in answer["error"]["message"]
