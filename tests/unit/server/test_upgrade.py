"""An upgrade is checked as the RFC says, and the socket changes hands without loss."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp.test_utils import make_mocked_request

from carapace.errors import Refused
from carapace.server.upgrade import check_upgrade, take_over, wants_upgrade
from support.server import raw_socket, running_server

GOOD = {
    "Upgrade": "WebSocket",
    "Connection": "keep-alive, Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def request(method: str = "GET", **changes: str):
    return make_mocked_request(method, "/", headers=GOOD | changes)


def test_a_good_upgrade_has_its_accept_value():
    assert check_upgrade(request()) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert wants_upgrade(request())
    assert not wants_upgrade(request(Upgrade="h2c"))


@pytest.mark.parametrize(
    ("method", "changes", "message"),
    [
        ("POST", {}, "GET"),
        ("GET", {"Connection": "close"}, "Connection: Upgrade"),
        ("GET", {"Sec-WebSocket-Version": "8"}, "version 13"),
        ("GET", {"Sec-WebSocket-Key": "short"}, "16 bytes"),
    ],
)
def test_what_is_missing_is_named(method, changes, message):
    with pytest.raises(Refused, match=message):
        check_upgrade(request(method, **changes))


def test_a_client_that_has_left_is_not_taken_over():
    gone = request()
    gone.protocol.transport = None
    assert take_over(gone, b"x") is None


async def test_frames_sent_right_behind_the_upgrade_are_not_lost(tmp_path):
    """A ping in the same packet as the upgrade request is answered."""
    async with running_server(tmp_path) as running:
        loop = asyncio.get_running_loop()
        head = "GET / HTTP/1.1\r\nHost: localhost\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in GOOD.items()
        )
        with raw_socket(running.port) as opened:
            ping = b"\x89\x82\x00\x00\x00\x00hi"
            await loop.sock_sendall(opened, head.encode() + b"\r\n" + ping)
            data = b""
            async with asyncio.timeout(5):
                while b"\x8a\x02hi" not in data:
                    data += await loop.sock_recv(opened, 4096)
        assert data.startswith(b"HTTP/1.1 101 ")
        assert data.index(b"connect.challenge") < data.index(b"\x8a\x02hi")
