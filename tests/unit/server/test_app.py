"""One port for HTTP and WebSocket: limits before, answers within, a goodbye at the end."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import http_parser, web

from carapace.config.settings.gateway import LimitSettings
from carapace.errors import Failed
from carapace.protocol.endpoints import undeclared
from carapace.protocol.events import Event
from carapace.protocol.scopes import Scope
from carapace.server.app import refuse_slow_parser
from support.server import raw_socket, running_server, sample_methods, ws_client


@pytest.fixture
async def running(tmp_path):
    async with running_server(tmp_path) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/ws", "/any/path?x=1"])
async def test_a_websocket_opens_on_any_path(running, path):
    async with ws_client(running.url + path) as client:
        assert (await client.frame())["event"] == "connect.challenge"


class _Last:
    """Owns what begins with /mine."""

    def owns(self, request: web.BaseRequest) -> bool:
        return request.path.startswith("/mine")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text="mine")


async def test_what_no_route_is_for_may_have_a_last_resort(running):
    running.server.fall_back(_Last())
    async with aiohttp.ClientSession() as http:
        found = [await http.get(running.url + path) for path in ("/mine/x", "/other")]
        assert [one.status for one in found] == [200, 404]


async def test_an_unknown_path_is_404_and_hardened(running):
    async with aiohttp.ClientSession() as http, http.get(running.url + "/nothing") as response:
        assert response.status == 404
        assert await response.text() == "Not Found"
        assert "Server" not in response.headers
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.slow
async def test_sockets_that_say_nothing_or_half_a_head_are_closed(tmp_path):
    limits = LimitSettings(handshake_timeout_s=1)
    async with running_server(tmp_path, limits=limits) as running:
        loop = asyncio.get_running_loop()
        for said in (b"", b"GET / HTTP/1.1\r\nHost: loc"):
            with raw_socket(running.port) as opened:
                if said:
                    await loop.sock_sendall(opened, said)
                async with asyncio.timeout(5):
                    while await loop.sock_recv(opened, 1000):
                        pass


async def test_a_head_that_is_too_long_is_refused(running):
    headers = {"X-Long": "x" * 9000}
    async with (
        aiohttp.ClientSession() as http,
        http.get(running.url + "/health", headers=headers) as response,
    ):
        assert response.status == 400


async def test_stopping_lets_requests_end_and_says_goodbye(tmp_path):
    methods, started, go_on = sample_methods(), asyncio.Event(), asyncio.Event()

    @methods.method("slow", scope=Scope.READ)
    async def slow(ctx: object) -> object:
        """Take a while."""
        started.set()
        await go_on.wait()
        return {"done": True}

    async with running_server(tmp_path, methods=methods) as running:
        async with ws_client(running.url) as client:
            await client.frame()
            await client.connect()
            asking = asyncio.create_task(client.call("slow"))
            await started.wait()
            stopping = asyncio.create_task(
                running.server.stop(5.0, reason="restart", restart_expected_ms=100)
            )
            await asyncio.sleep(0)
            go_on.set()
            assert (await asking)["payload"] == {"done": True}
            shutdown = await client.event("shutdown")
            assert shutdown["payload"] == {"reason": "restart", "restartExpectedMs": 100}
            assert await client.closed() == (1012, "service restart")
            await client.ws.close()
            assert await stopping is True
        with pytest.raises(aiohttp.ClientConnectorError):
            async with ws_client(running.url):
                pass


async def test_stopping_does_not_wait_beyond_the_deadline(tmp_path):
    methods = sample_methods()

    @methods.method("hang", scope=Scope.READ)
    async def hang(ctx: object) -> object:
        """Never answer."""
        return await asyncio.Event().wait()

    async with running_server(tmp_path, methods=methods) as running:  # noqa: SIM117 - reads in order
        async with ws_client(running.url, autoclose=True) as client:
            await client.frame()
            await client.connect()
            await client.ws.send_str('{"type":"req","id":"x","method":"hang"}')
            await client.call("health")
            reading = asyncio.create_task(client.closed())
            assert await running.server.stop(0.05) is False
            assert (await reading)[0] == 1012


async def test_more_routes_can_be_added(tmp_path):
    class Hello:
        def add_to(self, router: web.UrlDispatcher) -> None:
            async def hello(request: web.Request) -> web.Response:
                return web.Response(text="hi")

            router.add_get("/hello", hello)

    async with (
        running_server(tmp_path, prepare=lambda server, _: server.add(Hello())) as running,
        aiohttp.ClientSession() as http,
        http.get(running.url + "/hello") as response,
    ):
        assert await response.text() == "hi"
        assert ("GET", "/hello") in running.server.routes()
        assert "GET /hello" in undeclared(running.server.routes())


def test_the_slow_parser_is_refused(monkeypatch):
    refuse_slow_parser()
    monkeypatch.setattr(http_parser, "HttpRequestParser", http_parser.HttpRequestParserPy)
    with pytest.raises(Failed, match="AIOHTTP_NO_EXTENSIONS"):
        refuse_slow_parser()


async def test_what_a_client_missed_comes_right_after_its_hello(tmp_path):
    cut = Event("chat", {"runId": "r1", "state": "error"})
    async with (
        running_server(tmp_path, missed=lambda: (cut,)) as running,
        ws_client(running.url) as client,
    ):
        await client.frame()
        assert (await client.connect())["ok"] is True
        told = await client.frame()
        assert (told["event"], told["payload"], told["seq"]) == ("chat", cut.payload, 1)
