from __future__ import annotations

import asyncio

import httpcore2
import pytest

from carapace.config.settings.net import ProxySettings
from carapace.net.allow import HostPattern
from carapace.net.backend import system_dialler
from carapace.net.proxy import Proxy, open_tunnel, proxy_of
from carapace.net.url import InvalidUrl
from support.authority import shared_authority
from support.proxy_server import http_proxy, socks_proxy

LOGIN = ("ada", "pass:word")


@pytest.fixture
async def echo():
    """Opens a connection to a server that sends back what it gets."""

    async def back(reader, writer):
        while data := await reader.read(1000):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(back, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    yield lambda _host, _port: asyncio.open_connection("127.0.0.1", port)
    server.close()
    await server.wait_closed()


def configured(url, **fields):
    proxy = proxy_of(ProxySettings(url=url, **fields))
    assert proxy is not None
    return proxy


async def through(server, scheme, host="a.example", port=443, login=None):
    name, password = login or (None, None)
    proxy = configured(f"{scheme}://127.0.0.1:{server.port}", username=name, password=password)
    stream = await system_dialler().connect_tcp("127.0.0.1", server.port)
    return await open_tunnel(stream, proxy, host, port, tls=shared_authority().trust)


async def said_back(stream):
    await stream.write(b"hello")
    try:
        return await stream.read(100)
    finally:
        await stream.aclose()


def test_no_address_means_no_proxy():
    assert proxy_of(ProxySettings(username="x")) is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://Proxy.example:3128", ("http", "proxy.example", 3128)),
        ("https://proxy.example/", ("https", "proxy.example", 443)),
        ("socks5://proxy.example", ("socks5", "proxy.example", 1080)),
        ("socks5h://[::1]:80", ("socks5", "::1", 80)),
    ],
)
def test_addresses_of_proxies(url, expected):
    proxy = configured(url)
    assert (proxy.scheme, proxy.host, proxy.port) == expected


def test_an_unreadable_address_names_its_setting():
    with pytest.raises(InvalidUrl, match=r"net\.proxy\.url"):
        proxy_of(ProxySettings(url="http://0x7f.1:3128"))
    with pytest.raises(InvalidUrl, match=r"net\.proxy\.bypass.*\*\.com"):
        proxy_of(ProxySettings(url="http://proxy.example", bypass=("*.com",)))


@pytest.mark.parametrize(
    ("host", "serves"),
    [
        ("a.example", True),
        ("8.8.8.8", True),
        ("direct.example", False),
        ("x.near.example", False),
        ("near.example", True),
        ("localhost", False),
        ("printer", False),
        ("nas.home.arpa", False),
        ("192.168.1.2", False),
        ("::1", False),
    ],
)
def test_ones_own_network_and_listed_hosts_are_reached_directly(host, serves):
    proxy = Proxy(
        "http",
        "proxy.example",
        3128,
        bypass=(HostPattern("direct.example"), HostPattern("near.example", is_below=True)),
    )
    assert proxy.serves(host) is serves


def test_the_password_does_not_show():
    assert "hunter2" not in repr(configured("http://p.example", username="a", password="hunter2"))


@pytest.mark.parametrize("host", ["a.example", "8.8.8.8", "2606:4700::1111"])
async def test_connect_opens_a_tunnel(echo, host):
    async with http_proxy(echo) as server:
        assert await said_back(await through(server, "http", host)) == b"hello"
    assert server.asked == [(host, 443)]


async def test_a_proxy_may_speak_tls_itself(echo):
    async with http_proxy(echo, ssl_context=shared_authority().server("127.0.0.1")) as server:
        assert await said_back(await through(server, "https")) == b"hello"


async def test_connect_shows_its_login(echo):
    async with http_proxy(echo, login=LOGIN) as server:
        assert await said_back(await through(server, "http", login=LOGIN)) == b"hello"
        with pytest.raises(httpcore2.ProxyError, match=r"net\.proxy\.username"):
            await through(server, "http")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "answered 403 for a.example:443"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "no HTTP proxy"),
        (b"HTTP/1.1 okay\r\n\r\n", "no HTTP proxy"),
        (b"HTTP/1.1 200 ok\r\n", "hung up"),
        (b"HTTP/1.1 200 ok\r\nx: " + b"x" * 20_000, "no end"),
    ],
)
async def test_other_answers_to_connect_are_errors(echo, answer, error):
    async with http_proxy(echo, answer=answer) as server:
        with pytest.raises(httpcore2.ProxyError, match=error):
            await through(server, "http")
    assert server.asked == []


@pytest.mark.parametrize("host", ["a.example", "8.8.8.8", "2606:4700::1111"])
@pytest.mark.parametrize("login", [None, LOGIN])
async def test_socks_opens_a_tunnel(echo, host, login):
    async with socks_proxy(echo, login=login) as server:
        assert await said_back(await through(server, "socks5", host, login=login)) == b"hello"
    assert server.asked == [(host, 443)]


@pytest.mark.parametrize("login", [("ada", "wrong"), ("x" * 256, "")])
async def test_socks_refuses_a_wrong_login(echo, login):
    async with socks_proxy(echo, login=LOGIN) as server:
        with pytest.raises(httpcore2.ProxyError):
            await through(server, "socks5", login=login)
        with pytest.raises(httpcore2.ProxyError, match="wants a name and password"):
            await through(server, "socks5")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"\x05\x05\x00\x01\0\0\0\0\0\0", "connection refused"),
        (b"\x05\x63\x00\x01\0\0\0\0\0\0", "reply 99"),
        (b"\x04\x00\x00\x01\0\0\0\0\0\0", "reply 0"),
        (b"\x05\x00", "hung up"),
    ],
)
async def test_other_answers_of_socks_are_errors(echo, answer, error):
    async with socks_proxy(echo, answer=answer) as server:
        with pytest.raises(httpcore2.ProxyError, match=error):
            await through(server, "socks5")


async def test_socks_addresses_of_every_kind_are_skipped(echo):
    for answer in (b"\x05\x00\x00\x01" + b"\0" * 6, b"\x05\x00\x00\x04" + b"\0" * 18):
        async with socks_proxy(echo, answer=answer + b"later") as server:
            stream = await through(server, "socks5")
            assert await stream.read(10) == b"later"
            await stream.aclose()
