"""Advisories of group F that concern the way out: rows F01 to F08 and F19.

`test_net_address_policy.py` holds the corpus of F01 and F02, `test_hostile_urls.py` runs every
door through its table, `test_one_way_out.py` is the lint of F06, `test_rebinding.py` the real
resolver of F03.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import logging
import tracemalloc
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx2
import pytest
from aiohttp import web

from carapace.config.settings.net import NetSettings, ProxySettings
from carapace.net.allow import parse_rule
from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from carapace.net.websocket import HandshakeFailed
from carapace.telemetry import log as log_module
from carapace.telemetry.log import LogOptions, configure
from support.proxy_server import http_proxy
from support.public_web import public_host, public_web

SECRETS = {
    "Authorization": "Bearer canary",
    "Cookie": "session=canary",
    "X-Api-Key": "canary",
    "X-Custom": "canary",
    "Proxy-Authorization": "Basic canary",
    "api-key": "canary",
    "Referer": "https://a.example/canary",
}
FOLLOWS = EgressCaller("test", EgressPolicy(max_redirects=5))


async def shown(request: web.Request) -> web.Response:
    """What arrived here, as JSON."""
    body = (await request.read()).decode()
    return web.json_response({"headers": dict(request.headers), "body": body})


def to(url: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": url})


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "https://[::ffff:7f00:1]/", "wss://0x7f.1/"]
)
async def test_adv_f01_odd_literals_of_loopback_are_refused_by_http_and_websocket(tmp_path, url):
    async with public_web(tmp_path) as internet:
        with pytest.raises(httpx2.ConnectError) as caught:
            await internet.egress.websocket(FOLLOWS, url)
        assert refusal_of(caught.value) is not None
        async with internet.egress.http_client(FOLLOWS) as http:
            with pytest.raises(httpx2.ConnectError):
                await http.get(url.replace("wss:", "https:"))
        assert internet.dialled == []


@pytest.mark.parametrize(
    "host", ["localhost.", "LOCALHOST", "a.localhost.", "Metadata.Google.Internal.", "metadata"]
)
async def test_adv_f02_a_dot_or_capitals_hide_no_name_even_from_a_list_that_has_it(tmp_path, host):
    async with public_web(tmp_path) as internet:
        internet.names.otherwise = ["93.184.216.1"]  # a resolver that says it is public
        rules = (parse_rule(f"https://{host}"),)
        async with internet.egress.http_client(
            EgressCaller("test", EgressPolicy(rules=rules))
        ) as http:
            with pytest.raises(httpx2.ConnectError) as caught:
                await http.get(f"https://{host}/")
        assert refusal_of(caught.value) is not None
        assert internet.names.asked == []


async def test_adv_f03_a_proxy_of_the_environment_neither_serves_nor_loosens(tmp_path, monkeypatch):
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "WSS_PROXY", "wss_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "*")
    async with public_host(tmp_path, "a.example", web.get("/", shown)) as internet:
        async with internet.egress.http_client(FOLLOWS) as http:
            assert (await http.get("https://a.example/")).status_code == 200
        with pytest.raises(HandshakeFailed):
            await internet.egress.websocket(FOLLOWS, "wss://a.example/")
        assert {address for address, _ in internet.dialled} == {"93.184.216.1"}


async def test_adv_f03_the_checked_address_is_the_dialled_one_for_websockets_too(tmp_path):
    async with public_host(tmp_path, "a.example", web.get("/", shown)) as internet:
        internet.names.answers["a.example"] = [["93.184.216.1"], ["127.0.0.1"]]
        with pytest.raises(HandshakeFailed):
            await internet.egress.websocket(FOLLOWS, "wss://a.example/")
        with pytest.raises(httpx2.ConnectError, match="loopback"):
            await internet.egress.websocket(FOLLOWS, "wss://a.example/")
        assert internet.names.asked == ["a.example", "a.example"]
        assert internet.dialled == [("93.184.216.1", 443)]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "there", ["https://b.example/", "https://a.example:8443/", "https://sub.a.example/"]
)
async def test_adv_f04_another_origin_gets_no_credentials(tmp_path, status, there):
    async def away(request: web.Request) -> web.Response:
        return to(there, status)

    routes = web.get("/", shown), web.get("/away", away)
    async with public_host(tmp_path, "a.example", *routes) as internet:
        internet.point("sub.a.example", "93.184.216.1")
        await internet.host("b.example", web.get("/", shown))
        internet.speak_tls_on("a.example", 8443)
        async with internet.egress.http_client(FOLLOWS) as http:
            response = await http.get("https://a.example/away", headers=SECRETS)
        assert response.extensions["final_url"] == there
        assert "canary" not in response.text


async def test_adv_f04_credentials_do_not_come_back_on_a_way_home(tmp_path):
    """From a to b and back to a: what b could have arranged gets nothing of a's."""

    async def away(request: web.Request) -> web.Response:
        return to("https://b.example/")

    async def home(request: web.Request) -> web.Response:
        return to("https://a.example/")

    async with public_host(
        tmp_path, "a.example", web.get("/", shown), web.get("/away", away)
    ) as internet:
        await internet.host("b.example", web.get("/", home))
        async with internet.egress.http_client(FOLLOWS) as http:
            response = await http.get("https://a.example/away", headers=SECRETS)
        assert "canary" not in response.text


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_adv_f04_a_body_never_reaches_another_origin(tmp_path, status, method):
    async def away(request: web.Request) -> web.Response:
        return to("https://b.example/", status)

    async with public_host(tmp_path, "a.example", web.route("*", "/", away)) as internet:
        away_address = await internet.host("b.example", web.route("*", "/", shown))
        async with internet.egress.http_client(FOLLOWS) as http:
            with pytest.raises(httpx2.ConnectError) as caught:
                await http.request(method, "https://a.example/", content=b"canary", headers=SECRETS)
        assert refusal_of(caught.value) is not None
        assert away_address not in {address for address, _ in internet.dialled}
        (line,) = internet.trail.lines()
        assert (line["kind"], line["host"]) == ("egress.refused", "b.example")
        assert "canary" not in json.dumps(line)


async def test_adv_f04_each_refused_hop_leaves_one_line(tmp_path):
    async def step(request: web.Request) -> web.Response:
        count = int(request.query["n"])
        return to("https://10.0.0.1/" if count == 3 else f"https://a.example/?n={count + 1}")

    async with public_host(tmp_path, "a.example", web.get("/", step)) as internet:
        async with internet.egress.http_client(FOLLOWS) as http:
            with pytest.raises(httpx2.ConnectError, match="private network"):
                await http.get("https://a.example/?n=0")
        (line,) = internet.trail.lines()
        assert (line["host"], line["port"], line["caller"]) == ("10.0.0.1", 443, "test")


@pytest.mark.parametrize(
    "there",
    ["https://169.254.169.254/", "https://inside.example/", "https://localhost/", "/\\169.254.1.1"],
)
async def test_adv_f05_a_redirect_inside_is_refused_on_any_hop(tmp_path, there):
    async def first(request: web.Request) -> web.Response:
        return to("https://b.example/")

    async def second(request: web.Request) -> web.Response:
        return to(there)

    async with public_host(tmp_path, "a.example", web.get("/", first)) as internet:
        await internet.host("b.example", web.get("/", second))
        internet.point("inside.example", "192.168.1.1")
        async with internet.egress.http_client(FOLLOWS) as http:
            with pytest.raises(httpx2.ConnectError) as caught:
                await http.get("https://a.example/")
        assert refusal_of(caught.value) is not None
        assert {address for address, _ in internet.dialled} == {"93.184.216.1", "93.184.216.2"}


async def test_adv_f05_a_loop_of_redirects_ends(tmp_path):
    seen = 0

    async def around(request: web.Request) -> web.Response:
        nonlocal seen
        seen += 1
        return to("/")

    async with (
        public_host(tmp_path, "a.example", web.get("/", around)) as internet,
        internet.egress.http_client(FOLLOWS) as http,
    ):
        with pytest.raises(httpx2.ConnectError, match="more than 5 redirects"):
            await http.get("https://a.example/")
    assert seen == 6


async def test_adv_f06_a_list_of_requests_holds_for_every_hop_and_method(tmp_path):
    async def out(request: web.Request) -> web.Response:
        return to("/admin")

    routes = web.route("*", "/v1/x", shown), web.get("/v1/out", out), web.get("/admin", shown)
    async with public_host(tmp_path, "a.example", *routes) as internet:
        rules = (parse_rule("https://a.example/v1/**", methods=["GET"]),)
        policy = EgressPolicy(rules=rules, max_redirects=5)
        async with internet.egress.http_client(EgressCaller("plugin.x", policy)) as http:
            assert (await http.get("https://a.example/v1/x")).status_code == 200
            for method, url in (
                ("POST", "https://a.example/v1/x"),
                ("GET", "https://a.example/v1/out"),
                ("GET", "https://a.example/v1/../admin"),
                ("GET", "https://a.example/v1/%2e%2e/admin"),
                ("GET", "https://a.example:8443/v1/x"),
                ("GET", "http://a.example/v1/x"),
                ("GET", "https://b.example/v1/x"),
                ("GET", "https://a.example@b.example/v1/x"),
            ):
                with pytest.raises(httpx2.ConnectError) as caught:
                    await http.request(method, url)
                assert refusal_of(caught.value) is not None, url
        assert {line["caller"] for line in internet.trail.lines()} == {"plugin.x"}


@pytest.mark.parametrize(
    "host",
    [
        "evil-graph.microsoft.com",
        "graph.microsoft.com.evil.example",
        "microsoft.com",
        "graph.microsoft.com:444",
        "xgraph.microsoft.com",
        "graph-microsoft.com",
    ],
)
async def test_adv_f07_tokens_go_to_listed_hosts_only(tmp_path, host):
    async with public_web(tmp_path) as internet:
        internet.names.otherwise = ["93.184.216.1"]
        for policy in (
            EgressPolicy(only_hosts=frozenset([("graph.microsoft.com", 443)])),
            EgressPolicy(rules=(parse_rule("https://graph.microsoft.com/**"),)),
            EgressPolicy(rules=(parse_rule("https://*.graph.microsoft.com/**"),)),
        ):
            async with internet.egress.http_client(EgressCaller("teams", policy)) as http:
                with pytest.raises(httpx2.ConnectError) as caught:
                    await http.get(f"https://{host}/", headers=SECRETS)
            assert refusal_of(caught.value) is not None
        assert internet.dialled == []


CAP_BYTES = 2_000_000


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 500])
async def test_adv_f08_a_gigabyte_is_cut_at_the_cap_and_not_held_twice(tmp_path, status):
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        piece = bytes(65_536)
        with suppress(OSError):
            while sent < 1_000_000_000:
                await response.write(piece)
                sent += len(piece)
        return response

    async with public_host(tmp_path, "a.example", web.get("/", endless)) as internet:
        caller = EgressCaller("test", EgressPolicy(max_wire_bytes=CAP_BYTES))
        async with internet.egress.http_client(caller) as http:
            tracemalloc.start()
            try:
                with pytest.raises(httpx2.ReadError, match="larger than"):
                    await http.get("http://a.example/")
                _, peak_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak_bytes < 2 * CAP_BYTES
    assert sent < 20 * CAP_BYTES  # what the sockets' buffers took beside


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw deflate", "GZip"])
async def test_adv_f08_a_bomb_is_inflated_no_further_than_its_cap(tmp_path, coding, status):
    pack: dict[str, Callable[[bytes], bytes]] = {
        "deflate": zlib.compress,
        "raw deflate": raw_deflate,
    }
    bomb = pack.get(coding, gzip.compress)(bytes(100_000_000))

    async def bombs(request: web.Request) -> web.Response:
        name = coding.removeprefix("raw ")
        return web.Response(status=status, body=bomb, headers={"Content-Encoding": name})

    async with public_host(tmp_path, "a.example", web.get("/", bombs)) as internet:
        caller = EgressCaller("test", EgressPolicy(max_decoded_bytes=CAP_BYTES))
        async with internet.egress.http_client(caller) as http:
            tracemalloc.start()
            try:
                with pytest.raises(httpx2.ReadError, match="after decompression"):
                    await http.get("http://a.example/")
                _, peak_bytes = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert peak_bytes < 2 * CAP_BYTES


@pytest.mark.parametrize("coding", ["br", "zstd", "compress", "gzip, gzip", "gzip, br", "br, gzip"])
async def test_adv_f08_codings_that_were_not_asked_for_are_not_even_read(tmp_path, coding):
    asked: list[str] = []

    async def coded(request: web.Request) -> web.Response:
        asked.append(request.headers["Accept-Encoding"])
        return web.Response(body=gzip.compress(b"x"), headers={"Content-Encoding": coding})

    async with (
        public_host(tmp_path, "a.example", web.get("/", coded)) as internet,
        internet.egress.http_client(FOLLOWS) as http,
    ):
        for wanted in ("br, zstd, gzip", "identity"):
            with pytest.raises(httpx2.DecodingError, match="not asked for"):
                await http.get("http://a.example/", headers={"Accept-Encoding": wanted})
    assert asked == ["gzip, deflate", "identity"]


@pytest.mark.parametrize("status", [200, 500])
async def test_adv_f08_a_body_that_drips_meets_the_deadline(tmp_path, status):
    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status)
        await response.prepare(request)
        with suppress(OSError):
            while True:
                await response.write(b".")
                await asyncio.sleep(0.005)
        return response

    async with public_host(tmp_path, "a.example", web.get("/", drip)) as internet:
        policy = EgressPolicy(total_timeout_s=0.1, silence_timeout_s=10.0)
        async with internet.egress.http_client(EgressCaller("test", policy)) as http:
            with pytest.raises(httpx2.ReadTimeout):
                await http.get("http://a.example/")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\nx: "])
async def test_adv_f08_a_head_without_end_is_cut(tmp_path, answer):
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.readuntil(b"\r\n\r\n")
            piece = answer if answer.endswith(b"\r\n\r\n") else b"x" * 10_000
            writer.write(answer)
            while True:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_server(endless, "127.0.0.1", 0)
    async with public_web(tmp_path) as internet:
        internet.forward("a.example", server.sockets[0].getsockname()[1])
        policy = EgressPolicy(total_timeout_s=0.2)
        async with internet.egress.http_client(EgressCaller("test", policy)) as http:
            with pytest.raises((httpx2.RemoteProtocolError, httpx2.ReadTimeout)):
                await http.get("http://a.example/")
    server.close()


@pytest.fixture
def lines():
    """Everything the gateway and its libraries log, down to the finest level."""
    state, handlers = log_module._state, list(logging.getLogger().handlers)
    level = logging.getLogger().level
    log_module._state = log_module._State()
    collected: list[bytes] = []
    configure(LogOptions(outlets=(collected.append,), stream=io.StringIO(), level="trace"))
    yield collected
    log_module._state = state
    logging.captureWarnings(capture=False)
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


async def misbehave(request: web.Request) -> web.Response:
    """Gives every kind of trouble, each with the canary in it."""
    return {
        "away": to("https://10.0.0.1/bot-canary/"),
        "big": web.Response(body=bytes(5000), status=500),
        "coded": web.Response(body=b"x", headers={"Content-Encoding": "br"}),
        "repaired": to("https://127.1/bot-canary\\"),
    }[request.match_info["kind"]]


async def told(attempt: Awaitable[object]) -> str:
    """Everything that an error and those behind it say."""
    with pytest.raises((httpx2.HTTPError, HandshakeFailed)) as caught:
        await attempt
    text, error = "", caught.value
    while error is not None:
        text += f"{error} {error!r} "
        error = error.__cause__ or error.__context__
    return text


TROUBLE = (
    *(
        f"https://a.example/bot-canary/{kind}?t=canary"
        for kind in ["away", "big", "coded", "repaired"]
    ),
    "https://unknown.example/bot-canary",
    "https://127.0.0.1/bot-canary",
    "https://canary@a.example/",
    "https://a.example\\bot-canary",
    "bot-canary",
)


async def test_adv_f19_a_token_in_a_url_stands_in_no_log_no_error_and_no_audit_line(
    tmp_path, lines
):
    async def no_way(host, port):
        raise OSError

    route = web.get("/bot-canary/{kind}", misbehave)
    caller = EgressCaller("test", EgressPolicy(max_redirects=2, max_wire_bytes=1000))
    async with public_host(tmp_path, "a.example", route) as internet:
        async with internet.egress.http_client(caller) as http:
            said = [await told(http.get(url, headers=SECRETS)) for url in TROUBLE]
        for url in ("wss://a.example/bot-canary/big?t=canary", "wss://127.1/bot-canary"):
            said.append(await told(internet.egress.websocket(caller, url, headers=SECRETS)))  # noqa: PERF401 - in order
        async with http_proxy(no_way, answer=b"HTTP/1.1 407 No\r\n\r\n") as proxy:
            internet.forward("proxy.example", proxy.port)
            behind = ProxySettings(
                url="http://proxy.example:3128", username="canary", password="canary"
            )
            internet.egress.apply(NetSettings(proxy=behind))
            async with internet.egress.http_client(caller) as http:
                said.append(await told(http.get(TROUBLE[0])))
    logged = [line.decode() for line in lines]
    assert len(logged) >= 6
    assert len(internet.trail.lines()) >= 6
    for text in (*said, *logged, json.dumps(internet.trail.lines())):
        assert "canary" not in text
