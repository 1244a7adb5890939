"""A request is checked, filled in, sent, and its answer is searched for secrets."""

from __future__ import annotations

import asyncio
import base64
import gzip
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web

from carapace.config.settings.net import ProxySettings
from carapace.plugins.capabilities.outbound import requester as module
from carapace.plugins.capabilities.outbound.proxies import AccountProxies
from carapace.plugins.capabilities.outbound.requester import Requester
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.outbound.wire import Base64, Empty, Media, Text
from carapace.plugins.capabilities.poll import MAX_POLLS
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.errors import GuestError
from carapace.plugins.package.permissions import parse_http
from support.capabilities import NO_PROXIES, HeldSecrets, code_of, outbound_rig, request, secret_use
from support.egress import serving
from support.log_lines import log_lines
from support.media import PNG
from support.polling import until
from support.proxy_server import ProxyServer, http_proxy
from support.public_web import public_host

SECRET = "hunter2-hunter2"


async def echo(asked: web.Request) -> web.Response:
    """Everything that came, as a careless debug page shows it."""
    lines = [f"{asked.method} {asked.raw_path}"]
    lines += [f"{name}: {value}" for name, value in asked.headers.items()]
    text = "\n".join([*lines, "", await asked.text()])
    return web.Response(text=text, headers={"X-Seen": asked.headers.get("Authorization", "-")})


def anything(handler) -> web.AbstractRouteDef:
    return web.route("*", "/{rest:.*}", handler)


@pytest.mark.parametrize(
    ("use", "path", "asked"),
    [
        (secret_use("header", "X-Key"), "/a", ({}, "X-Key: ***")),
        (
            secret_use("header", "Authorization", template="Bearer {}"),
            "/a",
            ({}, "Authorization: Bearer ***"),
        ),
        (secret_use("path", "{t}"), "/bot{t}/me", ({}, "GET /bot***/me")),
        (secret_use("query", "key"), "/a?x=1", ({}, "GET /a?x=1&key=***")),
        (secret_use("form", "key"), "/a", ({"method": "POST", "text": "x=1"}, "x=1&key=***")),
        (secret_use("json", "/k"), "/a", ({"method": "POST", "text": "{}"}, '{"k": "***"}')),
    ],
)
async def test_a_secret_reaches_the_service_and_does_not_come_back(
    tmp_path: Path, use, path, asked
):
    more, seen = asked
    heard = []

    async def listen(asked: web.Request) -> web.Response:
        heard.append(f"{asked.raw_path} {dict(asked.headers)} {await asked.text()}")
        return await echo(asked)

    with log_lines() as lines:
        async with outbound_rig(tmp_path, anything(listen)) as rig:
            answer = await rig.send(path, secrets=(use,), **more)
    assert SECRET in heard[0]
    assert isinstance(answer.body, Text)
    assert seen in answer.body.value
    assert SECRET not in repr(answer)
    assert SECRET not in repr(lines)


async def test_an_answer_comes_as_it_is_wanted(tmp_path: Path):
    async def give(asked: web.Request) -> web.Response:
        return web.Response(body=PNG if asked.path == "/png" else b"plain", status=201)

    async with outbound_rig(tmp_path, anything(give), with_media=True) as rig:
        assert (await rig.send("/x")).body == Text("plain")
        assert (await rig.send("/x")).status == 201
        assert (await rig.send("/x", want="base64")).body == Base64(
            base64.b64encode(b"plain").decode()
        )
        assert (await rig.send("/x", want="nothing")).body == Empty()
        stored = await rig.send("/png", want="media")
        assert isinstance(stored.body, Media)
        assert await rig.house.store.read(stored.body.value, max_bytes=999) == PNG
        assert await code_of(rig.send("/png")) == "bad-answer"


async def test_an_empty_file_is_an_empty_body(tmp_path: Path):
    async def nothing(_: web.Request) -> web.Response:
        return web.Response(status=204)

    async with outbound_rig(tmp_path, anything(nothing), with_media=True) as rig:
        assert (await rig.send("/x", want="media")).body == Empty()


async def test_a_stored_file_holds_no_secret_either(tmp_path: Path):
    async with outbound_rig(tmp_path, anything(echo), with_media=True) as rig:
        stored = await rig.send("/x", want="media", secrets=(secret_use("header", "X-Key"),))
        data = await rig.house.store.read(stored.body.value or "", max_bytes=9999)
    assert b"X-Key: ***" in data


async def test_a_stored_file_is_a_body(tmp_path: Path):
    async def length(asked: web.Request) -> web.Response:
        return web.Response(text=f"{asked.content_length} {(await asked.read()) == PNG}")

    async with outbound_rig(tmp_path, anything(length), with_media=True) as rig:
        item = await rig.house.store.put_bytes(PNG)
        answer = await rig.send("/up", method="POST", media=item.id)
        assert answer.body == Text(f"{len(PNG)} True")
        assert await code_of(rig.send("/up", method="POST", media="m-none")) == "refused"


async def test_without_the_permission_there_are_no_files(tmp_path: Path):
    async with outbound_rig(tmp_path, anything(echo), with_media=True) as rig:
        bare = Requester(rig.rules, rig.granted, rig.egress, proxies=NO_PROXIES, media=None)
        for wish in (
            request(rig.url + "/x", want="media"),
            request(rig.url + "/x", method="POST", media="m-1"),
        ):
            assert await code_of(bare.send(wish)) == "not-granted"
        await bare.aclose()


async def test_what_the_manifest_does_not_name_is_not_asked(tmp_path: Path):
    asked = []

    async def note(request: web.Request) -> web.Response:
        asked.append(request.path)
        return web.Response()

    async with outbound_rig(tmp_path, anything(note)) as rig:
        assert await code_of(rig.send("/x", method="DELETE")) == "not-granted"
        use = secret_use("header", "X", name="other")
        assert await code_of(rig.send("/x", secrets=(use,))) == "not-granted"
        rig.secrets.values.clear()
        use = secret_use("header", "X")
        assert await code_of(rig.send("/x", secrets=(use,))) == "not-configured"
    assert asked == []


async def test_a_private_address_needs_the_operator(tmp_path: Path):
    async with outbound_rig(tmp_path, anything(echo)) as rig:
        rules = OutboundRules(plugin_id="demo", manifest=(parse_http(f"GET {rig.url}/**"),))
        plain = Requester(rules, rig.granted, rig.egress, proxies=NO_PROXIES, media=None)
        with pytest.raises(GuestError) as caught:
            await plain.send(request(rig.url + "/x"))
        await plain.aclose()
        assert caught.value.code == "refused"
        assert rig.trail.lines()[-1]["caller"] == "plugin:demo"


async def test_a_redirect_is_followed_within_the_rules_and_without_secrets_in_the_url(
    tmp_path: Path,
):
    async def move(asked: web.Request) -> web.Response:
        if asked.path == "/here":
            return web.Response(text="found")
        where = "/here" if asked.path == "/from" else "https://evil.example/x"
        return web.Response(status=302, headers={"Location": where})

    async with outbound_rig(tmp_path, anything(move)) as rig:
        assert (await rig.send("/from")).body == Text("found")
        header = (secret_use("header", "X-Key"),)
        assert (await rig.send("/from", secrets=header)).body == Text("found")
        query = (secret_use("query", "k"),)
        assert (await rig.send("/from", secrets=query)).status == 302
        assert await code_of(rig.send("/out")) == "refused"
        assert await code_of(rig.send("/out", secrets=query)) == "refused"


async def test_a_location_with_a_secret_is_masked(tmp_path: Path):
    async def back(asked: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": asked.raw_path})

    async with outbound_rig(tmp_path, anything(back)) as rig:
        answer = await rig.send("/x", secrets=(secret_use("query", "k"),))
    found = {header.name: header.value for header in answer.headers}
    assert found["location"] == "/x?k=***"


async def test_a_header_stays_behind_when_a_redirect_leads_to_another_origin(tmp_path: Path):
    async with serving(anything(echo)) as other:

        async def move(_: web.Request) -> web.Response:
            return web.Response(status=302, headers={"Location": f"http://127.0.0.1:{other}/there"})

        async with outbound_rig(tmp_path, anything(move)) as rig:
            rules = OutboundRules(
                plugin_id="demo",
                manifest=(),
                operator=(
                    parse_http(f"GET {rig.url}/**"),
                    parse_http(f"GET http://127.0.0.1:{other}/**"),
                ),
            )
            sender = Requester(rules, rig.granted, rig.egress, proxies=NO_PROXIES, media=None)
            wish = request(rig.url + "/x", secrets=(secret_use("header", "X-Key"),))
            answer = await sender.send(wish)
            await sender.aclose()
    assert isinstance(answer.body, Text)
    assert "/there" in answer.body.value
    assert "X-Key" not in answer.body.value


async def test_an_answer_has_a_cap_on_the_wire_and_unpacked(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "MAX_ANSWER_BYTES", 1000)

    async def give(asked: web.Request) -> web.Response:
        if asked.path == "/bomb":
            return web.Response(
                body=gzip.compress(bytes(100_000)), headers={"Content-Encoding": "gzip"}
            )
        return web.Response(body=b"x" * int(asked.path[1:]))

    async with outbound_rig(tmp_path, anything(give)) as rig:
        assert (await rig.send("/1000")).body == Text("x" * 1000)
        assert await code_of(rig.send("/1001")) == "too-large"
        assert await code_of(rig.send("/bomb")) == "too-large"


async def test_headers_have_a_cap(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "_MAX_HEADER_BYTES", 100)

    async def give(_: web.Request) -> web.Response:
        return web.Response(headers={"X-Long": "x" * 100})

    async with outbound_rig(tmp_path, anything(give)) as rig:
        assert await code_of(rig.send("/x")) == "too-large"


async def test_a_file_that_the_store_does_not_take_is_an_error(tmp_path: Path):
    async def give(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 100)

    async with outbound_rig(tmp_path, anything(give), with_media=True) as rig:
        rig.house.store.apply(type(rig.house.store._settings)(max_item_mb=0))
        assert await code_of(rig.send("/x", want="media")) == "refused"


async def test_a_service_that_is_silent_or_talks_nonsense(tmp_path: Path):
    release = asyncio.Event()

    async def hang(asked: web.Request) -> web.StreamResponse:
        if asked.path == "/hang":
            await release.wait()
        if asked.path == "/broken":
            return web.Response(body=b"no gzip", headers={"Content-Encoding": "gzip"})
        assert asked.transport is not None
        asked.transport.abort()
        return web.Response()

    async with outbound_rig(tmp_path, anything(hang)) as rig:
        use = (secret_use("query", "k"),)
        with pytest.raises(GuestError) as caught:
            await rig.send("/hang", timeout_ms=60, secrets=use)
        release.set()
        assert caught.value.code == "timeout"
        assert caught.value.retryable
        assert SECRET not in repr(caught.value.__cause__) + caught.value.message
        assert await code_of(rig.send("/broken")) == "bad-answer"
        assert await code_of(rig.send("/abort", secrets=use)) in {"unreachable", "bad-answer"}


async def test_a_port_that_nobody_listens_at_is_unreachable(tmp_path: Path):
    async with serving(anything(echo)) as closed:
        pass
    async with outbound_rig(tmp_path, anything(echo)) as rig:
        rules = OutboundRules(
            plugin_id="demo",
            manifest=(),
            operator=(parse_http(f"GET http://127.0.0.1:{closed}/**"),),
        )
        sender = Requester(rules, rig.granted, rig.egress, proxies=NO_PROXIES, media=None)
        with pytest.raises(GuestError) as caught:
            await sender.send(request(f"http://127.0.0.1:{closed}/x"))
        await sender.aclose()
    assert (caught.value.code, caught.value.retryable) == ("unreachable", True)


async def test_requests_that_are_held_do_not_keep_others_out(tmp_path: Path):
    release, waiting = asyncio.Event(), []

    async def hold(asked: web.Request) -> web.Response:
        if asked.path == "/hold":
            waiting.append(asked)
            await release.wait()
        return web.Response(text="done")

    async with outbound_rig(tmp_path, anything(hold)) as rig, asyncio.TaskGroup() as group:
        for _ in range(MAX_POLLS):
            group.create_task(rig.send("/hold", timeout_ms=60_000))
        await until(lambda: len(waiting) == MAX_POLLS)
        assert (await rig.send("/x")).body == Text("done")
        release.set()


async def hello(_asked: web.Request) -> web.Response:
    return web.Response(text="hello")


async def test_each_account_goes_through_its_own_proxy_and_no_other(tmp_path: Path):
    """And a changed one counts for the next request, whatever connections are kept."""
    accounts: dict[str, ProxySettings | None] = {"c": None}
    async with (
        public_host(tmp_path, "a.example", web.get("/", hello)) as internet,
        AsyncExitStack() as stack,
    ):
        _, tls = internet.ports("a.example")

        async def dial(_host: str, _port: int):
            return await asyncio.open_connection("127.0.0.1", tls)

        servers: dict[str, ProxyServer] = {}
        for name in ("north", "south", "west"):
            servers[name] = await stack.enter_async_context(http_proxy(dial, login=("ada", "pw")))
            internet.forward(f"{name}.example", servers[name].port)
        north, south, west = (
            ProxySettings(url=f"http://{name}.example:3128", username="ada", password="pw")
            for name in servers
        )
        accounts |= {"a": north, "b": south}
        sender = Requester(
            OutboundRules(plugin_id="demo", manifest=(parse_http("GET https://a.example/**"),)),
            PluginSecrets(
                frozenset({"token"}), HeldSecrets(a__token="t", b__token="t", c__token="t")
            ),
            internet.egress,
            proxies=AccountProxies(lambda: accounts, where="channels.demo"),
            media=None,
        )
        stack.push_async_callback(sender.aclose)

        async def fetch(account: str) -> None:
            use = secret_use("header", "X-Key", name=f"{account}/token")
            answer = await sender.send(request("https://a.example/", secrets=[use]))
            assert answer.body == Text("hello")

        def asked() -> list[int]:
            return [len(one.asked) for one in servers.values()]

        for account in ("a", "a", "b", "c"):
            await fetch(account)
        assert asked() == [1, 1, 0]  # one connection each, and that of c went directly
        accounts["a"] = west
        await fetch("a")
        assert asked() == [1, 1, 1]
        del servers["west"]
        accounts["b"] = ProxySettings(url="http://gone.example:1")
        with pytest.raises(GuestError) as caught:  # rather than directly
            await fetch("b")
        assert caught.value.code == "unreachable"
        await sender.send(request("https://a.example/"))  # for no account: not through any
        assert asked() == [1, 1]
