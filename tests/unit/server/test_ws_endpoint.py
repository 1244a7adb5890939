"""Who may open a WebSocket, and how many, is judged before the upgrade."""

from __future__ import annotations

import aiohttp
import pytest

from carapace.config.settings.gateway import GatewaySettings, LimitSettings
from carapace.server.rate_limit import RateLimit
from support.server import running_server, ws_client


async def refused(running, **kw) -> aiohttp.WSServerHandshakeError:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with ws_client(running.url, **kw):
            pass
    return caught.value


async def test_a_foreign_page_is_refused_before_any_frame_and_put_on_record(tmp_path):
    async with running_server(tmp_path) as running:
        for _ in range(10):
            error = await refused(running, headers={"Origin": "https://evil.test"})
            assert error.status == 403
        lines = (tmp_path / "audit.jsonl").read_text().splitlines()
        assert 1 <= len(lines) <= 6
        assert "origin.refused" in lines[0]


async def test_a_host_that_is_not_ours_is_refused(tmp_path):
    async with running_server(tmp_path) as running:
        assert (await refused(running, headers={"Host": "evil.test"})).status == 403


async def test_an_allowed_origin_may_come_in(tmp_path):
    settings = GatewaySettings(allowed_origins=("https://mine.test",))
    async with (
        running_server(tmp_path, settings=settings) as running,
        ws_client(running.url, headers={"Origin": "https://mine.test"}) as client,
    ):
        assert (await client.frame())["event"] == "connect.challenge"


async def test_strangers_beyond_the_cap_of_an_address_get_429(tmp_path):
    limits = LimitSettings(max_unauthenticated_per_address=2)
    async with running_server(tmp_path, limits=limits) as running:
        async with ws_client(running.url) as one, ws_client(running.url) as two:
            error = await refused(running)
            assert error.status == 429
            assert int((error.headers or {})["Retry-After"]) > 0
            await one.frame()
            await one.connect()
            async with ws_client(running.url) as three:
                assert (await three.frame())["event"] == "connect.challenge"
            await two.frame()
        assert "connections.capped" in (tmp_path / "audit.jsonl").read_text()


@pytest.mark.parametrize(
    "limits", [LimitSettings(max_unauthenticated=1), LimitSettings(max_connections=1)]
)
async def test_a_full_gateway_answers_503(tmp_path, limits):
    async with running_server(tmp_path, limits=limits) as running, ws_client(running.url):
        assert (await refused(running)).status == 503


async def test_connects_beyond_the_rate_get_429(tmp_path):
    def slow(server, _):
        server._sockets._rate = RateLimit(per_s=0.1, burst=1)

    async with running_server(tmp_path, prepare=slow) as running:
        async with ws_client(running.url):
            pass
        error = await refused(running)
        assert error.status == 429
        assert 1 <= int((error.headers or {})["Retry-After"]) <= 10


async def test_a_broken_upgrade_is_400_and_names_the_version(tmp_path):
    headers = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "8"}
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as http,
        http.get(running.url, headers=headers) as response,
    ):
        assert response.status == 400
        assert response.headers["Sec-WebSocket-Version"] == "13"
        assert "version 13" in (await response.json())["error"]["message"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.test"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 404),
        ({}, 404),
    ],
)
async def test_a_page_of_another_site_may_not_post(tmp_path, headers, status):
    async with (
        running_server(tmp_path) as running,
        aiohttp.ClientSession() as http,
        http.post(running.url + "/x", headers=headers) as response,
    ):
        assert response.status == status
