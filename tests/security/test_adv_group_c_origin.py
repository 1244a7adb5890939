"""Advisories of group C about forwarding headers: whom the server takes a client for."""

from __future__ import annotations

import pytest
from multidict import CIMultiDict

from carapace.config.settings.gateway import GatewaySettings
from support.server import running_server, ws_client

PROXIES = ("127.0.0.1", "10.0.0.0/8", "fd00::/8")
FORWARDED = "X-Forwarded-For"
SHAPES: list[tuple[list[tuple[str, str]], str]] = [
    ([(FORWARDED, "9.9.9.9")], "9.9.9.9"),
    ([(FORWARDED, "127.0.0.1, 9.9.9.9")], "9.9.9.9"),
    ([(FORWARDED, "1.1.1.1, 9.9.9.9, 10.1.2.3")], "9.9.9.9"),
    ([(FORWARDED, "1.1.1.1"), (FORWARDED, "9.9.9.9")], "9.9.9.9"),
    ([(FORWARDED, "9.9.9.9, 10.1.2.3, 10.4.5.6, 127.0.0.1")], "9.9.9.9"),
    ([(FORWARDED, "10.1.2.3")], "10.1.2.3"),
    ([(FORWARDED, "9.9.9.9, unknown")], "127.0.0.1"),
    ([(FORWARDED, "127.0.0.1, <script>, 10.1.2.3")], "10.1.2.3"),
    ([(FORWARDED, "9.9.9.9:4711")], "9.9.9.9"),
    ([(FORWARDED, "127.0.0.1, [2001:db8::1]:4711")], "2001:db8::1"),
    ([(FORWARDED, "1.1.1.1, ::ffff:9.9.9.9")], "9.9.9.9"),
    ([(FORWARDED, ""), ("X-Real-IP", "9.9.9.9")], "9.9.9.9"),
    ([(FORWARDED, "9.9.9.9"), ("X-Real-IP", "1.1.1.1")], "9.9.9.9"),
    ([("Forwarded", "for=9.9.9.9;host=localhost")], "127.0.0.1"),
    ([(FORWARDED, "1.1.1.1," * 500 + "9.9.9.9")], "9.9.9.9"),
]
"""What is sent, and who the client is where this machine and 10/8 are trusted proxies."""


@pytest.mark.parametrize(("sent", "client"), SHAPES, ids=range(len(SHAPES)))
async def test_adv_c24_the_client_is_the_rightmost_address_that_is_no_proxy(
    tmp_path, sent: list[tuple[str, str]], client: str
):
    settings = GatewaySettings(trusted_proxies=PROXIES)
    async with (
        running_server(tmp_path, settings=settings) as running,
        ws_client(running.url, headers=CIMultiDict(sent)) as one,
    ):
        await one.frame()
        assert (await one.connect())["ok"] is True
        assert running.nodes.seen[0] == ("connected", client)
        (caller,) = running.server.hub.callers
        assert caller.is_local is False


@pytest.mark.parametrize(("sent", "_client"), SHAPES, ids=range(len(SHAPES)))
async def test_adv_c24_without_trusted_proxies_no_header_names_a_client(
    tmp_path, sent: list[tuple[str, str]], _client: str
):
    """And whoever writes one is not local any more, though the socket is."""
    async with (
        running_server(tmp_path) as running,
        ws_client(running.url, headers=CIMultiDict(sent)) as one,
    ):
        await one.frame()
        assert (await one.connect())["ok"] is True
        assert running.nodes.seen[0] == ("connected", "127.0.0.1")
        (caller,) = running.server.hub.callers
        assert caller.is_local is False
