"""A held connection: opened, frames in order, closed; nothing of it is a secret."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from carapace.clock import SystemClock
from carapace.plugins.capabilities import websocket as module
from carapace.plugins.capabilities.outbound.rules import OutboundRules
from carapace.plugins.capabilities.secrets import PluginSecrets
from carapace.plugins.capabilities.websocket import WebSocketCapability
from carapace.plugins.errors import GuestTrap, PluginUnavailable
from carapace.plugins.package.permissions import parse_http
from support.capabilities import (
    NO_PROXIES,
    HeldSecrets,
    RecordingEvents,
    code_of,
    eventually,
    secret_use,
)
from support.clock import FakeClock
from support.egress import NameTable, make_egress
from support.ws_peer import WsPeer, ws_peer

OPENED = {"tag": "opened", "value": None}


def text(value: str) -> dict[str, Any]:
    return {"tag": "frame", "value": {"tag": "text", "value": value}}


class Rig:
    """A plugin that may connect to one peer."""

    def __init__(self, folder: Path, port: int, clock: Any) -> None:
        self.events = RecordingEvents()
        self.url = f"ws://127.0.0.1:{port}"
        rules = OutboundRules(
            plugin_id="demo",
            manifest=(),
            operator=(parse_http(f"GET http://127.0.0.1:{port}/**"),),
        )
        egress, _ = make_egress(folder, names=NameTable())
        self.sockets = WebSocketCapability(
            rules,
            PluginSecrets(frozenset({"token"}), HeldSecrets(token="hunter2-hunter2")),
            egress,
            proxies=NO_PROXIES,
            clock=clock,
            events=self.events,
        )
        self.call = self.sockets.call

    async def open(self, name: str = "s", path: str = "/", **more: Any) -> None:
        headers = [{"name": k, "value": v} for k, v in more.get("headers", {}).items()]
        await self.call("open", [name, self.url + path, headers, more.get("secrets", [])])

    async def heard(self, n: int) -> list[Any]:
        return [what[-1] for what in await self.events.count(n)]


@asynccontextmanager
async def rig(
    folder: Path, script: Callable[[WsPeer], Awaitable[None]], *, clock: Any = None
) -> AsyncGenerator[Rig]:
    async with ws_peer(script) as port:
        found = Rig(folder, port, clock or SystemClock())
        try:
            yield found
        finally:
            await found.sockets.aclose()


async def wait_for_end(peer: WsPeer) -> None:
    while (await peer.hear())[0] != 8:
        pass


async def test_it_opens_brings_frames_in_order_and_closes(tmp_path: Path):
    async def script(peer: WsPeer) -> None:
        peer.text("one")
        peer.say(b"\x82\x02\x00\xff")
        peer.say(b"\x88\x05\x03\xe9bye")
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:
        await r.open()
        binary = {"tag": "frame", "value": {"tag": "base64", "value": "AP8="}}
        closed = {"tag": "closed", "value": "1001 bye"}
        assert await r.heard(4) == [OPENED, text("one"), binary, closed]
        assert {what[1] for what in r.events.brought} == {"s"}
        assert await code_of(r.call("send", ["s", {"tag": "text", "value": "x"}])) == "closed"
        assert await r.call("close", ["s"]) is False


async def test_frames_are_sent(tmp_path: Path):
    heard: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue()

    async def script(peer: WsPeer) -> None:
        for _ in range(2):
            heard.put_nowait(await peer.hear())
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:
        await r.open()
        await r.heard(1)
        await r.call("send", ["s", {"tag": "text", "value": "hi"}])
        await r.call("send", ["s", {"tag": "base64", "value": "AP8="}])
        assert [await heard.get(), await heard.get()] == [(1, b"hi"), (2, b"\x00\xff")]
        broken = r.call("send", ["s", {"tag": "base64", "value": "!"}])
        assert await code_of(broken) == "invalid-argument"
        assert await r.call("close", ["s"]) is True
        assert await code_of(r.call("send", ["s", {"tag": "text", "value": "x"}])) == "closed"


async def test_a_secret_is_in_the_handshake_and_does_not_come_back(tmp_path: Path):
    heads: list[str] = []

    async def script(peer: WsPeer) -> None:
        heads.append(peer.head)
        peer.text("you said hunter2-hunter2")
        payload = base64.b64encode(b"hunter2-hunter2")
        peer.say(bytes([0x82, len(payload)]) + payload)
        peer.say(b"\x88\x11\x03\xe8hunter2-hunter2")
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:
        uses = [secret_use("header", "X-Key"), secret_use("query", "k")]
        await r.open(path="/{t}", secrets=[*uses, secret_use("path", "{t}")])
        assert (await r.heard(4))[3] == {"tag": "closed", "value": "1000 ***"}
    assert heads[0].startswith("GET /hunter2-hunter2?k=hunter2-hunter2 ")
    assert "X-Key: hunter2-hunter2" in heads[0]
    assert "hunter2" not in repr(r.events.brought)
    frames = [what[-1]["value"] for what in r.events.brought[1:3]]
    assert frames[1]["value"] == base64.b64encode(b"***").decode()


async def test_what_makes_no_sense_is_refused(tmp_path: Path):
    async with rig(tmp_path, wait_for_end) as r:
        for use in (secret_use("form", "k"), secret_use("json", "/k")):
            assert await code_of(r.open(secrets=[use])) == "invalid-argument"
        evil = r.call("open", ["s", "wss://evil.example/", [], []])
        assert await code_of(evil) == "not-granted"
        assert await code_of(r.open(headers={"Upgrade": "h2c"})) == "invalid-argument"


async def test_a_peer_that_opens_nothing_is_told(tmp_path: Path):
    async with ws_peer(wait_for_end, answer="HTTP/1.1 403 No\r\n\r\n") as port:
        r = Rig(tmp_path, port, SystemClock())
        await r.open()
        (event,) = await r.heard(1)
        assert event["tag"] == "closed"
        assert "403" in event["value"]
        await r.sockets.aclose()
    r = Rig(tmp_path, port, SystemClock())
    await r.open()
    assert await r.heard(1) == [{"tag": "closed", "value": "the peer could not be reached"}]
    await r.sockets.aclose()


async def test_the_rules_of_addresses_hold(tmp_path: Path):
    async with ws_peer(wait_for_end) as port:
        r = Rig(tmp_path, port, SystemClock())
        rules = OutboundRules(
            plugin_id="demo", manifest=(parse_http(f"GET http://127.0.0.1:{port}/**"),)
        )
        r.sockets._rules = rules
        await r.open()
        (event,) = await r.heard(1)
        assert event["tag"] == "closed"
        assert "loopback" in event["value"] or "machine" in event["value"]
        await r.sockets.aclose()


async def test_opening_a_name_again_replaces_it_without_a_word(tmp_path: Path):
    peers: list[WsPeer] = []

    async def script(peer: WsPeer) -> None:
        peers.append(peer)
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:
        await r.open()
        await r.heard(1)
        await r.open()
        await r.heard(2)
        peers[1].text("from the second")
        assert await r.heard(3) == [OPENED, OPENED, text("from the second")]


async def test_a_plugin_may_close_while_it_takes_a_frame(tmp_path: Path):
    async def script(peer: WsPeer) -> None:
        peer.text("one")
        peer.text("two")
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:

        async def close(what: tuple[Any, ...]) -> None:
            if what[-1] == text("one"):
                assert await r.call("close", ["s"]) is True

        r.events.during = close
        await r.open()
        await r.heard(2)

        async def has_ended() -> bool:
            return not len(r.sockets._tasks)

        await eventually(has_ended)
        assert await r.heard(2) == [OPENED, text("one")]


async def test_a_plugin_that_breaks_on_a_frame_is_told_that_the_connection_is_gone(
    tmp_path: Path,
):
    async def script(peer: WsPeer) -> None:
        peer.text("one")
        peer.text("two")
        await wait_for_end(peer)

    async with rig(tmp_path, script) as r:
        r.events.trouble = [None, GuestTrap("crash", "boom")]
        await r.open()
        assert (await r.heard(3))[2] == {
            "tag": "closed",
            "value": "the plugin did not take what came",
        }


async def test_a_plugin_that_is_busy_is_waited_for_but_not_for_ever(tmp_path: Path):
    clock = FakeClock()

    async def script(peer: WsPeer) -> None:
        peer.text("one")
        await wait_for_end(peer)

    async with rig(tmp_path, script, clock=clock) as r:
        r.events.trouble = [None, PluginUnavailable("busy"), None, *[PluginUnavailable("")] * 12]
        await r.open()

        async def brought(n: int) -> None:
            async def enough() -> bool:
                await clock.advance(1)
                return len(r.events.brought) >= n

            await eventually(enough)

        await brought(3)
        assert r.events.brought[2][-1] == text("one")
        await r.open("other")
        await brought(15)
        assert "other" not in r.sockets._connections


async def test_a_plugin_may_hold_so_many(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    async with rig(tmp_path, wait_for_end) as r:
        await r.open("a")
        assert await code_of(r.open("b")) == "quota"
        await r.open("a")


async def test_a_send_after_the_peer_has_gone_is_an_error(tmp_path: Path):
    async def script(peer: WsPeer) -> None:
        peer.say(b"\x88\x02\x03\xe8")

    async with rig(tmp_path, script) as r:
        codes: list[str] = []

        async def send(what: tuple[Any, ...]) -> None:
            if what[-1] == OPENED:
                client = r.sockets._connections["s"].client
                assert client is not None
                await client._has_ended.wait()
                codes.append(await code_of(r.call("send", ["s", {"tag": "text", "value": "x"}])))

        r.events.during = send
        await r.open()
        await r.heard(2)
        assert codes == ["closed"]
