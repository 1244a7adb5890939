from __future__ import annotations

import asyncio
import ssl
from typing import Any

import httpx2
import pytest
from aiohttp import web

from carapace.config.settings.net import NetSettings, ProxySettings
from carapace.errors import Refused
from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, allow_url
from carapace.net.proxy import Proxy
from carapace.net.websocket import HandshakeFailed
from support.authority import shared_authority
from support.egress import PUBLIC, AuditTrail, NameTable, make_egress, serving
from support.proxy_server import http_proxy, socks_proxy
from support.public_web import public_host


async def hello(request):
    return web.Response(text="hello")


async def test_an_allowed_loopback_server_is_reached_and_its_neighbour_is_not(tmp_path):
    async with serving(web.get("/", hello)) as port, serving(web.get("/", hello)) as other:
        egress, trail = make_egress(tmp_path)
        pair = allow_url(f"http://127.0.0.1:{port}/v1")
        caller = EgressCaller("models.ollama", EgressPolicy(allow_hosts=frozenset([pair])))
        async with egress.http_client(caller) as http:
            assert (await http.get(f"http://127.0.0.1:{port}/")).text == "hello"
            with pytest.raises(Exception, match="loopback"):
                await http.get(f"http://127.0.0.1:{other}/")
        (line,) = trail.lines()
        assert line["caller"] == "models.ollama"
        assert line["port"] == other
        assert line["reason"] == "loopback (RFC 1122)"


async def test_the_environment_sets_no_proxy_and_no_credentials(tmp_path, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login u password p")

    async def shown(request):
        return web.json_response(dict(request.headers))

    async with serving(web.get("/", shown)) as port:
        egress, _ = make_egress(tmp_path)
        policy = EgressPolicy(allow_hosts=frozenset([("127.0.0.1", port)]))
        async with egress.http_client(EgressCaller("x", policy)) as http:
            headers = (await http.get(f"http://127.0.0.1:{port}/")).json()
    assert "Authorization" not in headers


def test_trust_is_loaded_once_and_can_be_given(tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    given = Egress(AuditTrail(tmp_path).audit, ssl_context=context)
    assert given._tls() is context
    own = Egress(AuditTrail(tmp_path).audit)
    assert own._tls() is own._tls()
    assert own._tls().verify_mode is ssl.CERT_REQUIRED


async def test_it_hands_out_unix_clients(tmp_path):
    egress, _ = make_egress(tmp_path)
    await egress.unix_client(str(tmp_path / "s")).aclose()


@pytest.mark.parametrize("scheme", ["http", "https", "socks5"])
async def test_everything_goes_through_the_configured_proxy(tmp_path, scheme):
    """And names are the proxy's to look up, while the rules hold before it is asked."""
    server: Any = socks_proxy if scheme == "socks5" else http_proxy
    extra = {"ssl_context": shared_authority().server("proxy.example")} if scheme == "https" else {}
    async with public_host(tmp_path, "a.example", web.get("/", hello)) as internet:
        clear, tls = internet.ports("a.example")

        async def dial(host, port):
            return await asyncio.open_connection("127.0.0.1", tls if port == 443 else clear)

        async with server(dial, login=("ada", "pw"), **extra) as proxy:
            internet.forward("proxy.example", proxy.port)
            url = f"{scheme}://proxy.example:8080"
            settings = ProxySettings(url=url, username="ada", password="pw")
            internet.egress.apply(NetSettings(proxy=settings))
            async with internet.egress.http_client(EgressCaller("x")) as http:
                assert (await http.get("http://a.example/")).text == "hello"
                assert (await http.get("https://a.example/")).text == "hello"
                with pytest.raises(httpx2.ConnectError):
                    await http.get("http://127.1/")
            with pytest.raises(HandshakeFailed):
                await internet.egress.websocket(EgressCaller("x"), "wss://a.example/")
        assert proxy.asked == [("a.example", 80), ("a.example", 443), ("a.example", 443)]
        assert internet.names.asked == ["proxy.example"] * 3
        assert len(internet.trail.lines()) == 1


async def test_a_caller_with_a_proxy_of_its_own_goes_through_that_one(tmp_path):
    async with public_host(tmp_path, "a.example", web.get("/", hello)) as internet:
        clear, _ = internet.ports("a.example")

        async def dial(_host, _port):
            return await asyncio.open_connection("127.0.0.1", clear)

        async with http_proxy(dial) as proxy:
            internet.forward("proxy.example", proxy.port)
            internet.egress.apply(NetSettings(proxy=ProxySettings(url="http://gone.example:1")))
            own = Proxy("http", "proxy.example", 8080)
            async with internet.egress.http_client(EgressCaller("x", proxy=own)) as http:
                assert (await http.get("http://a.example/")).text == "hello"
                with pytest.raises(httpx2.ConnectError):
                    await http.get("http://127.0.0.1/")
            async with internet.egress.http_client(EgressCaller("x")) as http:
                with pytest.raises(httpx2.ConnectError, match=r"gone\.example"):
                    await http.get("http://a.example/")
        assert proxy.asked == [("a.example", 80)]


async def test_a_listed_host_is_reached_beside_the_proxy_and_settings_are_live(tmp_path):
    async with public_host(tmp_path, "a.example", web.get("/", hello)) as internet:
        away = ProxySettings(url="http://gone.example:1", bypass=("a.example",))
        internet.egress.apply(NetSettings(proxy=away))
        async with internet.egress.http_client(EgressCaller("x")) as http:
            assert (await http.get("http://a.example/")).text == "hello"
            with pytest.raises(httpx2.ConnectError, match=r"gone\.example"):
                await http.get("http://b.example/")
            internet.egress.apply(NetSettings())
            with pytest.raises(httpx2.ConnectError, match=r"b\.example"):
                await http.get("http://b.example/")


def test_a_proxy_that_cannot_be_read_is_refused_and_changes_nothing(tmp_path):
    egress, _ = make_egress(tmp_path)
    egress.apply(NetSettings(proxy=ProxySettings(url="http://proxy.example:3128")))
    before = egress._proxy
    assert before is not None
    with pytest.raises(Refused, match=r"net\.proxy\.url"):
        egress.apply(NetSettings(proxy=ProxySettings(url="http://0x7f.1:3128")))
    assert egress._proxy is before


async def test_own_network_is_where_no_address_is_public(tmp_path):
    names = NameTable(
        near_example=[["10.0.0.7", "fd00::7"]],
        far_example=[[PUBLIC]],
        mixed_example=[["10.0.0.7", PUBLIC]],
        empty_example=[[]],
    )
    egress, _ = make_egress(tmp_path, names=names)
    hosts = ["near.example", "10.0.0.7", "far.example", PUBLIC, "mixed.example", "empty.example"]
    is_own = [await egress.is_own_network(host, 443) for host in [*hosts, "unknown.example"]]
    assert is_own == [True, True, False, False, False, False, False]


async def test_what_a_proxy_looks_up_is_not_known_to_be_near(tmp_path):
    egress, _ = make_egress(tmp_path, names=NameTable(near_example=[["10.0.0.7"]]))
    egress.apply(NetSettings(proxy=ProxySettings(url="http://127.0.0.1:1")))
    assert not await egress.is_own_network("near.example", 443)
