"""The fake host that authors test against answers as the gateway's own capabilities do."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from carapace.clock import SystemClock
from carapace.plugins.capabilities.agent import AgentCapability
from carapace.plugins.capabilities.config import ConfigCapability
from carapace.plugins.capabilities.credentials import CredentialsCapability
from carapace.plugins.capabilities.crypto import CryptoCapability
from carapace.plugins.capabilities.http import HttpCapability
from carapace.plugins.capabilities.inbound import InboundCapability
from carapace.plugins.capabilities.kv import KvCapability
from carapace.plugins.capabilities.log import LogCapability
from carapace.plugins.capabilities.media import MediaCapability
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.poll import PollCapability
from carapace.plugins.capabilities.secrets import ConfiguredSecrets, PluginSecrets
from carapace.plugins.capabilities.status import StatusCapability
from carapace.plugins.capabilities.timers import TimersCapability
from carapace.plugins.capabilities.websocket import WebSocketCapability
from carapace.plugins.errors import GuestError
from carapace.plugins.package.permissions import parse_http
from carapace.plugins.ports import CapabilityCall
from carapace.plugins.sdk.cases import HostSays, Planned
from carapace.plugins.sdk.contract import contract
from carapace.plugins.sdk.fake_capabilities import FakeCapabilities
from support.capabilities import (
    EVENT,
    NO_PROXIES,
    HeldConfig,
    OutboundRig,
    RecordingAgent,
    RecordingBoard,
    RecordingEvents,
    RecordingInbox,
    outbound_rig,
    plain_request,
)
from support.clock import FakeClock
from support.database import memory_database
from support.media import PNG
from support.ws_peer import WsPeer, ws_peer

CONFIG = {"greeting": "Grüß Gott", "nested": {"n": 1.5}, "list": [1, {"a": True}]}
CREDENTIALS = {"token": "s3cret", "unused": "x"}
MAX_BYTES = 640


@dataclass
class Side:
    """One of the two: the fake, or what the gateway has."""

    calls: dict[str, CapabilityCall]
    clock: FakeClock

    async def ask(self, interface: str, function: str, *arguments: Any) -> Any:
        return await self.calls[interface](function, list(arguments))

    async def code(self, interface: str, function: str, *arguments: Any) -> str:
        with pytest.raises(GuestError) as caught:
            await self.ask(interface, function, *arguments)
        return caught.value.code


@pytest.fixture(params=["fake", "real"])
async def side(request: pytest.FixtureRequest) -> AsyncGenerator[Side]:
    clock = FakeClock()
    if request.param == "fake":
        fake = FakeCapabilities(HostSays(CONFIG, CREDENTIALS), kv_max_bytes=MAX_BYTES)
        fake.host._now_ms = lambda: float(clock.now_ms())
        yield Side(fake.calls(["kv", "config", "credentials"]), clock)
        return
    names = frozenset(CREDENTIALS)
    held = HeldConfig({**CONFIG, **CREDENTIALS})
    secrets = PluginSecrets(names, ConfiguredSecrets(names, held))
    async with memory_database() as database:
        yield Side(
            {
                "kv": KvCapability("p", database, clock=clock, max_bytes=MAX_BYTES).call,
                "config": ConfigCapability(HeldConfig(CONFIG), secrets, names).call,
                "credentials": CredentialsCapability(secrets).call,
            },
            clock,
        )


async def test_revisions_grow_with_every_write(side: Side):
    first = await side.ask("kv", "put", "a", "1", None)
    other = await side.ask("kv", "put", "b", "1", None)
    assert first < other < await side.ask("kv", "put", "a", "2", None)
    await side.ask("kv", "delete", "a")
    assert await side.ask("kv", "put", "a", "3", None) > other
    entry = await side.ask("kv", "get", "a")
    assert (entry["key"], entry["value"]) == ("a", "3")


async def test_compare_and_set_writes_only_over_what_it_expects(side: Side):
    first = await side.ask("kv", "compare-and-set", "a", None, "1", None)
    assert first is not None
    assert await side.ask("kv", "compare-and-set", "a", None, "2", None) is None
    assert await side.ask("kv", "compare-and-set", "a", first + 1, "2", None) is None
    assert await side.ask("kv", "compare-and-set", "a", first, "2", None) is not None


async def test_what_ends_is_gone(side: Side):
    await side.ask("kv", "put", "a", "1", 1000.0)
    await side.clock.advance(0.999)
    assert await side.ask("kv", "get", "a") is not None
    await side.clock.advance(0.001)
    assert await side.ask("kv", "get", "a") is None
    assert await side.ask("kv", "scan", "", None, 100) == []
    assert await side.ask("kv", "delete", "a") is False
    assert await side.ask("kv", "compare-and-set", "a", None, "2", None) is not None


async def test_a_scan_is_in_order_of_keys_and_goes_on_after_one(side: Side):
    for key in ("b/2", "a", "b/1", "b/\u00e9", "b/\U0001f600", "b/\uffff", "c"):
        await side.ask("kv", "put", key, "", None)
    found = await side.ask("kv", "scan", "b/", None, 100)
    keys = [each["key"] for each in found]
    assert keys == ["b/1", "b/2", "b/\u00e9", "b/\uffff", "b/\U0001f600"]
    after = await side.ask("kv", "scan", "b/", "b/1", 2)
    assert [each["key"] for each in after] == keys[1:3]
    assert await side.ask("kv", "scan", "", None, 0) == []


async def test_a_full_store_takes_no_more(side: Side):
    for number in range(8):
        await side.ask("kv", "put", f"{number}", "x" * 10, None)
    assert await side.code("kv", "put", "9", "x" * 10, None) == "quota"
    assert await side.code("kv", "compare-and-set", "9", None, "x" * 10, None) == "quota"
    await side.ask("kv", "put", "4", "y" * 10, None)
    await side.ask("kv", "delete", "0")
    await side.ask("kv", "put", "9", "x" * 10, None)


@pytest.mark.parametrize(
    "key", ["greeting", "nested", "nested.n", "list", "gone", "nested.gone", "greeting.x", ""]
)
async def test_settings_read_alike(side: Side, key: str):
    fake = FakeCapabilities(HostSays(CONFIG), kv_max_bytes=0).calls(["config"])
    assert await side.ask("config", "get", key) == await fake["config"]("get", [key])


async def test_secrets_are_compared_and_signed_with(side: Side):
    assert await side.ask("credentials", "names") == ["token", "unused"]
    assert await side.ask("credentials", "verify", "token", "s3cret") is True
    assert await side.ask("credentials", "verify", "token", "other") is False
    for name, known in (("sha1", hashlib.sha1), ("sha256", hashlib.sha256)):
        made = await side.ask("credentials", "hmac", "token", name, "text")
        assert made == hmac.new(b"s3cret", b"text", known).hexdigest()
    assert await side.code("credentials", "verify", "other", "x") == "not-granted"


@dataclass
class World(Side):
    """One of the two, with a small server on the other side of the way out.

    Attributes:
        url: Of the server, without a slash at the end.
        socket_url: Of one that takes WebSockets.
    """

    url: str
    socket_url: str = "wss://api.example/socket"


KEYS = '{"keys": []}'


async def page(_: web.Request) -> web.Response:
    return web.Response(text="hi", status=203, headers={"X-A": "1"})


async def picture(_: web.Request) -> web.Response:
    return web.Response(body=PNG)


async def keys(_: web.Request) -> web.Response:
    return web.Response(text=KEYS)


ROUTES = (web.get("/page", page), web.get("/png", picture), web.get("/keys", keys))


def fake_world(clock: FakeClock) -> World:
    url = "https://api.example"
    planned = [
        Planned(url=f"{url}/page", status=203, body="hi", headers={"x-a": "1"}),
        Planned(url=f"{url}/keys", body=KEYS),
    ]
    fake = FakeCapabilities(HostSays(http=planned), kv_max_bytes=0)
    encoded = base64.b64encode(PNG).decode()
    body = {"tag": "base64", "value": encoded}
    fake.host.on("GET", f"{url}/png", {"status": 200, "headers": [], "body": body})
    return World(fake.calls(contract().worlds["everything"].imports), clock, url)


async def stay(peer: WsPeer) -> None:
    while (await peer.hear())[0] != 8:
        pass


async def real_world(rig: OutboundRig, clock: FakeClock, stack: AsyncExitStack) -> World:
    database = await stack.enter_async_context(memory_database())
    port = await stack.enter_async_context(ws_peer(stay))
    rules = OutboundRules(
        plugin_id="demo",
        manifest=(),
        operator=(parse_http(f"GET {rig.url}/**"), parse_http(f"GET http://127.0.0.1:{port}/**")),
    )
    events = RecordingEvents()
    timers = TimersCapability("demo", database, clock=clock, events=events)
    polls = PollCapability("demo", database, clock=clock, requester=rig.requester, events=events)
    sockets = WebSocketCapability(
        rules,
        rig.granted,
        rig.egress,
        proxies=NO_PROXIES,
        clock=SystemClock(),
        events=events,
    )
    for one in (timers, polls, sockets):
        stack.push_async_callback(one.aclose)
    calls: dict[str, CapabilityCall] = {
        "agent": AgentCapability("demo", RecordingAgent()).call,
        "crypto": CryptoCapability("demo", rig.requester, clock=clock, media=None).call,
        "http": HttpCapability(rig.requester).call,
        "inbound": InboundCapability("demo", RecordingInbox()).call,
        "log": LogCapability("demo").call,
        "media": MediaCapability(rig.rules, NO_PROXIES, rig.door).call,
        "poll": polls.call,
        "status": StatusCapability("demo", RecordingBoard(), rig.granted).call,
        "timers": timers.call,
        "websocket": sockets.call,
    }
    return World(calls, clock, rig.url, f"ws://127.0.0.1:{port}/")


@pytest.fixture(params=["fake", "real"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[World]:
    clock = FakeClock()
    if request.param == "fake":
        yield fake_world(clock)
        return
    async with outbound_rig(tmp_path, *ROUTES, with_media=True) as rig, AsyncExitStack() as stack:
        yield await real_world(rig, clock, stack)


async def test_a_request_is_answered_alike(world: World):
    answer = await world.ask("http", "fetch", plain_request(f"{world.url}/page"))
    assert (answer["status"], answer["body"]) == (203, {"tag": "text", "value": "hi"})
    assert {"name": "x-a", "value": "1"} in answer["headers"]
    elsewhere = plain_request("https://evil.example/")
    assert await world.code("http", "fetch", elsewhere) == "not-granted"


async def test_files_are_told_of_alike(world: World):
    item = await world.ask("media", "put", base64.b64encode(PNG).decode(), "text/html")
    assert item == await world.ask("media", "info", item["handle"])
    assert (item["content_type"], item["size_bytes"]) == ("image/png", float(len(PNG)))
    assert (item["width"], item["height"], item["duration_ms"]) == (3, 2, None)
    assert isinstance(item["size_bytes"], float)
    assert (await world.ask("media", "link", item["handle"], 60_000)).startswith("https://")
    words = await world.ask("media", "put", base64.b64encode(b"plain words").decode(), "")
    assert (words["content_type"], words["width"]) == ("text/plain", None)
    fetched = await world.ask("media", "fetch", f"{world.url}/png", 1000.0)
    assert (fetched["content_type"], fetched["width"]) == ("image/png", 3)


@pytest.mark.parametrize(
    ("function", "arguments", "code"),
    [
        ("info", ["m-" + "0" * 32], "not-found"),
        ("link", ["m-" + "0" * 32, 60_000.0], "not-found"),
        ("link", ["m-1", 10.0], "invalid-argument"),
        ("put", ["!", "x"], "invalid-argument"),
        ("put", ["", "x"], "invalid-argument"),
        ("fetch", ["/png", float(len(PNG) - 1)], "refused"),
        ("fetch", ["https://evil.example/", 9.0], "not-granted"),
    ],
)
async def test_files_are_refused_alike(world: World, function: str, arguments: list, code: str):
    if arguments[0].startswith("/"):
        arguments = [world.url + arguments[0], *arguments[1:]]
    assert await world.code("media", function, *arguments) == code


async def test_a_message_is_taken_once(world: World):
    assert await world.ask("inbound", "deliver", EVENT) == "accepted"
    assert await world.ask("inbound", "deliver", EVENT) == "duplicate"
    assert await world.ask("inbound", "deliver", {**EVENT, "account": "second"}) == "accepted"


@pytest.mark.parametrize(
    "change",
    [
        {"quote_text": "of what?"},
        {"quote_sender_id": "of what?"},
        *(
            {"attachments": [{"url": u, "handle": h, "content_type": None, "filename": None}]}
            for u, h in ((None, None), ("https://a.example/", "m-1"))
        ),
    ],
)
async def test_a_message_that_contradicts_itself_is_refused(world: World, change: dict):
    assert await world.code("inbound", "deliver", {**EVENT, **change}) == "invalid-argument"


async def test_timers_are_set_and_cancelled_alike(world: World):
    at_ms = float(world.clock.now_ms() + 60_000)
    assert await world.ask("timers", "set", "a", at_ms, "p") is None
    assert await world.ask("timers", "set", "a", at_ms, "q") is None
    assert await world.ask("timers", "cancel", "a") is True
    assert await world.ask("timers", "cancel", "a") is False
    assert await world.code("timers", "set", "", at_ms, "p") == "invalid-argument"
    assert await world.code("timers", "set", "a", -1.0, "p") == "invalid-argument"


async def test_polls_are_begun_and_ended_alike(world: World):
    request = plain_request(f"{world.url}/page")
    assert await world.ask("poll", "start", "a", request, "p") is None
    assert await world.ask("poll", "stop", "a") is True
    assert await world.ask("poll", "stop", "a") is False
    assert await world.code("poll", "start", "", request, "p") == "invalid-argument"


async def test_connections_are_opened_and_closed_alike(world: World):
    frame = {"tag": "text", "value": "hi"}
    assert await world.code("websocket", "send", "s", frame) == "closed"
    assert await world.ask("websocket", "open", "s", world.socket_url, [], []) is None
    assert await world.ask("websocket", "close", "s") is True
    assert await world.ask("websocket", "close", "s") is False


async def test_a_turn_begins_once_for_each_key(world: World):
    first = await world.ask("agent", "start", "main", "hello", "k1")
    assert await world.ask("agent", "start", "main", "hello", "k1") == first
    assert await world.ask("agent", "start", "main", "hello", "k2") != first
    for empty in (("", "x", "k"), ("main", "", "k"), ("main", "x", "")):
        assert await world.code("agent", "start", *empty) == "invalid-argument"


async def test_key_sets_are_fetched_alike(world: World):
    assert await world.ask("crypto", "jwks", f"{world.url}/keys") == KEYS
    assert await world.code("crypto", "jwks", "https://evil.example/keys") == "not-granted"


async def test_what_is_only_told_gives_nothing_back(world: World):
    assert await world.ask("log", "emit", "info", "hello") is None
    assert await world.ask("status", "set", "default", "running", "") is None
    assert await world.code("status", "set", "default", "great", "") == "invalid-argument"


def test_the_fake_has_every_function_of_the_contract():
    host = FakeCapabilities(HostSays(), kv_max_bytes=0).host
    for name in contract().worlds["everything"].imports:
        for function in contract().interfaces[name].functions:
            assert callable(getattr(host, f"_{name}_{function}".replace("-", "_")))
