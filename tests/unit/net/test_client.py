from __future__ import annotations

import ssl

import pytest
from aiohttp import web

from carapace.net.client import Egress
from carapace.net.policy import EgressCaller, EgressPolicy, allow_url
from support.egress import AuditTrail, make_egress, serving


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
