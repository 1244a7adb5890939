from __future__ import annotations

import asyncio
import gzip

import httpx2
import pytest
from aiohttp import web

from carapace.net.limits import BodyTooLarge
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from support.authority import shared_authority
from support.egress import PUBLIC, LoopbackDialler, NameTable, make_egress, serving
from support.public_web import public_web


async def seen(request):
    return web.json_response({"path": request.path_qs, "headers": dict(request.headers)})


async def to(request):
    raise web.HTTPFound(request.query["u"])


async def packed(request):
    body = gzip.compress(b"hello" * 100)
    return web.Response(body=body, headers={"content-encoding": "gzip"})


async def strange(request):
    return web.Response(body=b"x", headers={"content-encoding": "br"})


async def big(request):
    return web.Response(body=b"x" * 5000, status=int(request.query["s"]))


async def silent(request):
    await asyncio.Event().wait()
    return web.Response()


ROUTES = (
    web.route("*", "/seen", seen),
    web.route("*", "/to", to),
    web.get("/packed", packed),
    web.get("/strange", strange),
    web.get("/big", big),
    web.get("/silent", silent),
)


@pytest.fixture
async def world(tmp_path):
    """A web server that answers under the public names a.example and b.example."""
    async with serving(*ROUTES) as port:
        names = NameTable(a_example=[[PUBLIC]], b_example=[[PUBLIC]], inside_example=[["10.0.0.1"]])
        egress, trail = make_egress(tmp_path, names=names, dialler=LoopbackDialler(port))

        def client(**policy):
            return egress.http_client(EgressCaller("test", EgressPolicy(**policy)))

        yield client, trail


async def test_a_request_goes_out_and_comes_back(world):
    client, _ = world
    async with client() as http:
        response = await http.get("http://a.example/seen?x=1", headers={"accept-encoding": "br"})
    assert response.json()["path"] == "/seen?x=1"
    assert response.json()["headers"]["Accept-Encoding"] == "gzip, deflate"
    assert response.extensions["final_url"] == "http://a.example/seen?x=1"


async def test_identity_may_be_asked_for(world):
    client, _ = world
    async with client() as http:
        response = await http.get("http://a.example/seen", headers={"accept-encoding": "identity"})
    assert response.json()["headers"]["Accept-Encoding"] == "identity"


async def test_bodies_come_inflated_and_say_nothing_of_it(world):
    client, _ = world
    async with client() as http:
        response = await http.get("http://a.example/packed")
        assert response.content == b"hello" * 100
        assert "content-encoding" not in response.headers
        head = await http.head("http://a.example/packed")
        assert head.headers["content-encoding"] == "gzip"
        with pytest.raises(httpx2.DecodingError):
            await http.get("http://a.example/strange")


async def test_redirects_lose_credentials_on_the_way(world):
    client, _ = world
    async with client(max_redirects=2) as http:
        response = await http.get(
            "http://a.example/to?u=http://b.example/seen", headers={"X-Api-Key": "s"}
        )
    assert "X-Api-Key" not in response.json()["headers"]
    assert response.extensions["final_url"] == "http://b.example/seen"


async def test_redirects_are_handed_back_without_leave(world):
    client, _ = world
    async with client() as http:
        response = await http.get("http://a.example/to?u=/seen")
    assert response.status_code == 302


async def test_a_redirect_inside_is_refused_and_on_record(world):
    client, trail = world
    async with client(max_redirects=2) as http:
        with pytest.raises(httpx2.ConnectError) as caught:
            await http.get("http://a.example/to?u=http://inside.example/")
    refused = refusal_of(caught.value)
    assert refused is not None
    assert refused.host == "inside.example"
    (line,) = trail.lines()
    assert line["kind"] == "egress.refused"


@pytest.mark.parametrize(
    "url", ["http://localhost/", "http://metadata.google.internal/", "http://127.1/", "ftp://a/"]
)
async def test_urls_are_refused_before_a_connection(world, url):
    client, trail = world
    async with client() as http:
        with pytest.raises(httpx2.ConnectError):
            await http.get(url)
    assert len(trail.lines()) == 1


async def test_a_redirect_with_a_body_is_refused(world):
    client, _ = world
    async with client(max_redirects=2) as http:
        with pytest.raises(httpx2.ConnectError, match="POST"):
            await http.post("http://a.example/to?u=http://b.example/seen", content=b"s")


@pytest.mark.parametrize("status", [200, 500])
async def test_bodies_are_capped_whatever_the_status(world, status):
    client, _ = world
    async with client(max_wire_bytes=1000) as http:
        with pytest.raises(BodyTooLarge):
            await http.get(f"http://a.example/big?s={status}")


async def test_a_silent_server_meets_the_deadline(world):
    client, _ = world
    async with client(total_timeout_s=0.05) as http:
        with pytest.raises(httpx2.ReadTimeout, match="deadline"):
            await http.get("http://a.example/silent")
    async with client(silence_timeout_s=0.05) as http:
        with pytest.raises(httpx2.ReadTimeout):
            await http.get("http://a.example/silent")


async def test_an_unknown_name_is_a_connect_error_of_httpx(world):
    client, _ = world
    async with client() as http:
        with pytest.raises(httpx2.ConnectError, match="cannot look up"):
            await http.get("http://c.example/")


async def test_garbage_amid_tls_is_an_error_of_httpx(tmp_path):
    async def garble(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        # Behind the back of TLS, into the socket itself.
        raw = writer.transport._ssl_protocol._transport
        raw.write(b"\x17\x03\x03\x00\x10" + b"x" * 16)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(
        garble, "127.0.0.1", 0, ssl=shared_authority().server("a.example")
    )
    async with public_web(tmp_path) as internet:
        internet.forward("a.example", server.sockets[0].getsockname()[1])
        async with internet.egress.http_client(EgressCaller("test")) as http:
            with pytest.raises(httpx2.ReadError):
                await http.get("https://a.example/")
    server.close()
    await server.wait_closed()
