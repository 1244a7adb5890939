"""What the kernel decides is what goes over the wire; the shell adds nothing and hides nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

from carapace.config.settings.gateway import GatewaySettings
from carapace.server.app import GatewayServer
from carapace.server.http_webhooks import WebhookCatch
from carapace.triggers.webhook_types import VerifiedRequest, WebhookAnswer, plain
from carapace.triggers.webhooks import KernelLimits
from support.server import raw_socket, running_server
from support.webhooks import KernelRig, kernel_rig, route, sign


class Door:
    """A server with a kernel, and a client."""

    def __init__(self, rig: KernelRig, port: int, http: aiohttp.ClientSession) -> None:
        self.rig = rig
        self.port = port
        self.http = http

    async def send(self, path: str, body: Any = b"{}", *, method: str = "POST", **headers: str):
        url = URL(f"http://127.0.0.1:{self.port}{path}", encoded=True)
        async with self.http.request(method, url, data=body, headers=headers) as response:
            return response.status, await response.read(), response.headers

    async def signed(self, path: str = "/in", body: bytes = b"{}", **headers: str):
        return await self.send(path, body, **sign(body, self.rig.clock), **headers)


@pytest.fixture
async def seen() -> list[VerifiedRequest]:
    return []


@pytest.fixture
async def door(tmp_path: Path, seen: list[VerifiedRequest]):
    async def handle(request: VerifiedRequest) -> WebhookAnswer:
        seen.append(request)
        return plain(202, "taken", X_Kind="test")

    limits = KernelLimits(body_deadline_s=0.2)
    settings = GatewaySettings(trusted_proxies=("127.0.0.1",))
    async with kernel_rig(route(handle=handle, max_bytes=1_000), limits=limits) as rig:

        def prepare(server: GatewayServer, _admitter: object) -> None:
            server.catch(WebhookCatch(rig.kernel, origin_of=server.guard.origin))

        async with (
            running_server(tmp_path, prepare=prepare, settings=settings) as running,
            aiohttp.ClientSession() as http,
        ):
            yield Door(rig, running.port, http)


async def test_a_request_goes_in_and_its_answer_comes_out(door: Door, seen: list[VerifiedRequest]):
    status, body, headers = await door.signed("/in?a=1&b=%20", b'{"x":1}')
    assert (status, body) == (202, b"taken")
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Kind"] == "test"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    [request] = seen
    assert request.raw.query == "a=1&b=%20"
    assert request.raw.body == b'{"x":1}'
    assert request.value == {"x": 1}


@pytest.mark.parametrize("path", ["/in/", "//in", "/%69n", "/IN", "/in;a", "/x/../in"])
async def test_another_spelling_of_the_path_is_nobodys(
    door: Door, seen: list[VerifiedRequest], path: str
):
    status, body, _ = await door.signed(path)
    assert status == 404
    assert body == b"Not Found"
    assert seen == []


async def test_other_paths_keep_their_own_answers(door: Door):
    assert (await door.send("/nothing"))[0] == 404
    assert (await door.send("/in", method="HEAD"))[0] == 405


async def test_a_client_is_who_the_trusted_proxy_says(door: Door, seen: list[VerifiedRequest]):
    forwarded = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7"}
    await door.send("/in", b"{}", **sign(b"{}", door.rig.clock), **forwarded)
    assert seen[0].raw.client_ip == "203.0.113.7"


async def test_a_repeated_header_is_kept_apart(door: Door, seen: list[VerifiedRequest]):
    loop = asyncio.get_running_loop()
    opened = raw_socket(door.port)
    signature = sign(b"{}", door.rig.clock)["X-Carapace-Signature"]
    head = (
        "POST /in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2\r\n"
        f"X-Kind: a\r\nx-kind: b\r\nX-Carapace-Signature: {signature}\r\n\r\n{{}}"
    )
    try:
        await loop.sock_sendall(opened, head.encode())
        answer = await loop.sock_recv(opened, 1_000)
    finally:
        opened.close()
    assert answer.startswith(b"HTTP/1.1 202 ")
    assert seen[0].raw.headers["x-kind"] == ("a", "b")


async def test_a_body_without_a_length_is_cut_at_the_limit(door: Door):
    async def pieces():
        for _ in range(100):
            yield b"x" * 100

    status, body, _ = await door.send("/in", pieces())
    assert status == 413
    assert b"1000 bytes" in body


@pytest.mark.slow
async def test_a_dripping_body_is_cut_in_time(door: Door):
    loop = asyncio.get_running_loop()
    opened = raw_socket(door.port)
    head = b"POST /in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{"
    try:
        await loop.sock_sendall(opened, head)
        answer = await loop.sock_recv(opened, 1_000)
    finally:
        opened.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert door.rig.kernel.reading == 0


async def test_routes_come_and_go_while_the_server_runs(door: Door):
    door.rig.kernel.unmount("test")
    assert (await door.signed())[0] == 404
    door.rig.kernel.mount(route())
    assert (await door.signed())[0] == 200
