from __future__ import annotations

import httpx2
import pytest
from aiohttp import web

from carapace.net.unix import MAX_BODY_BYTES, unix_client


@pytest.fixture
async def socket_path(tmp_path):
    async def whois(request):
        return web.json_response({"host": request.host, "addr": request.query["addr"]})

    async def big(request):
        return web.Response(body=b"x" * (MAX_BODY_BYTES + 1))

    app = web.Application()
    app.add_routes([web.get("/whois", whois), web.get("/big", big)])
    runner = web.AppRunner(app)
    await runner.setup()
    path = str(tmp_path / "daemon.sock")
    await web.UnixSite(runner, path).start()
    yield path
    await runner.cleanup()


async def test_requests_reach_the_socket_with_the_host_the_daemon_wants(socket_path):
    async with unix_client(socket_path) as http:
        response = await http.get(
            "http://localhost/whois", params={"addr": "100.64.0.1:1"}, headers={"host": "daemon"}
        )
    assert response.json() == {"host": "daemon", "addr": "100.64.0.1:1"}


async def test_bodies_are_capped(socket_path):
    async with unix_client(socket_path) as http:
        with pytest.raises(httpx2.ReadError):
            await http.get("http://localhost/big")


async def test_no_other_host_is_asked_for(socket_path):
    async with unix_client(socket_path) as http:
        with pytest.raises(httpx2.ConnectError, match="not one of the hosts"):
            await http.get("http://example.com/")


async def test_no_daemon_is_a_connect_error(tmp_path):
    async with unix_client(str(tmp_path / "none")) as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get("http://localhost/")
