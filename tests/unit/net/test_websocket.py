from __future__ import annotations

import asyncio
import contextlib
import ssl

import httpcore2
import httpx2
import pytest
from aiohttp import web

from carapace.net.policy import EgressCaller, EgressPolicy
from carapace.net.refused import refusal_of
from carapace.net.websocket import HandshakeFailed, WebSocketClosed, WebSocketLimits
from support.public_web import public_host, public_web
from support.ws_peer import ws_peer

CALLER = EgressCaller("test.ws")
RIGHT = "Upgrade: websocket\r\nConnection: a, Upgrade\r\nSec-WebSocket-Accept: {accept}"


async def echo(request):
    peer = web.WebSocketResponse(protocols=("chat.v2",))
    await peer.prepare(request)
    async for message in peer:
        if message.data == "bye":
            await peer.close(code=4000, message=b"as you like")
        elif message.type == web.WSMsgType.TEXT:
            await peer.send_str(f"{request.headers.get('authorization')} {message.data}")
        else:
            await peer.send_bytes(message.data)
    return peer


async def nothing(peer):
    """Says nothing and hears nothing until the client goes."""
    await peer.reader.read()


@contextlib.asynccontextmanager
async def connected(tmp_path, script, *, close_timeout_s=0.01, **limits):
    """A client and the scripted server it is connected to."""
    limits["close_timeout_s"] = close_timeout_s
    async with ws_peer(script) as port, public_web(tmp_path) as internet:
        internet.forward("ws.example", port)
        async with await internet.egress.websocket(
            CALLER, "ws://ws.example/", limits=WebSocketLimits(**limits)
        ) as client:
            yield client


async def code_of(awaitable):
    with pytest.raises(WebSocketClosed) as caught:
        await awaitable
    return caught.value.code


@pytest.mark.parametrize("scheme", ["ws", "wss", "https"])
async def test_messages_go_there_and_back(tmp_path, scheme):
    async with public_host(tmp_path, "ws.example", web.get("/x", echo)) as internet:
        async with await internet.egress.websocket(
            CALLER,
            f"{scheme}://ws.example/x",
            headers={"Authorization": "Bearer s"},
            subprotocols=["chat.v1", "chat.v2"],
        ) as client:
            assert client.subprotocol == "chat.v2"
            await client.send("hello")
            assert await client.receive() == "Bearer s hello"
            await client.send(b"\x00" * 70_000)
            assert await client.receive() == b"\x00" * 70_000
            await client.send("bye")
            assert await code_of(client.receive()) == 4000
            assert await code_of(client.send("too late")) == 4000
        assert len(internet.dialled) == 1


@pytest.mark.parametrize(
    "url",
    [
        "ws://localhost/x",
        "ws://127.0.0.1/x",
        "wss://[::ffff:7f00:1]/x",
        "ws://2130706433/x",
        "ws://metadata.google.internal./x",
        "ws://inside.example/x",
        "ws://user@ws.example/x",
        "ftp://ws.example/x",
    ],
)
async def test_the_rules_of_http_hold_and_leave_a_line(tmp_path, url):
    async with public_host(tmp_path, "ws.example", web.get("/x", echo)) as internet:
        internet.point("inside.example", "93.184.216.1", "10.0.0.1")
        with pytest.raises(httpx2.ConnectError) as caught:
            await internet.egress.websocket(CALLER, url)
        assert refusal_of(caught.value) is not None
        assert [line["caller"] for line in internet.trail.lines()] == ["test.ws"]
        assert internet.dialled == []


async def test_clear_text_needs_leave(tmp_path):
    async with public_host(tmp_path, "ws.example", web.get("/x", echo)) as internet:
        caller = EgressCaller("test.ws", EgressPolicy(allow_http=False))
        with pytest.raises(httpx2.ConnectError, match="https is required"):
            await internet.egress.websocket(caller, "ws://ws.example/x")


async def test_redirects_are_not_followed(tmp_path):
    async def away(request):
        raise web.HTTPFound("/x")

    async def elsewhere(request):
        raise web.HTTPFound("wss://other.example/x")

    routes = web.get("/x", echo), web.get("/away", away), web.get("/elsewhere", elsewhere)
    async with public_host(tmp_path, "ws.example", *routes) as internet:
        with pytest.raises(HandshakeFailed) as caught:
            await internet.egress.websocket(CALLER, "ws://ws.example/away")
        assert caught.value.status == 302
        with pytest.raises(httpx2.ConnectError):
            await internet.egress.websocket(CALLER, "ws://ws.example/elsewhere")


async def test_a_refused_handshake_says_how_long_to_wait(tmp_path):
    async def busy(request):
        return web.Response(status=429, headers={"Retry-After": "7"})

    async with public_host(tmp_path, "ws.example", web.get("/", busy)) as internet:
        with pytest.raises(HandshakeFailed, match="answered 429") as caught:
            await internet.egress.websocket(CALLER, "wss://ws.example/")
        assert (caught.value.status, caught.value.headers["retry-after"]) == (429, "7")


@pytest.mark.parametrize(
    ("lines", "error"),
    [
        ("Upgrade: h2c\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}", "something else"),
        ("Upgrade: websocket\r\nSec-WebSocket-Accept: {accept}", "Connection header"),
        ("Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Accept: x", "Accept is wrong"),
        (
            f"{RIGHT}\r\nSec-WebSocket-Extensions: permessage-deflate",
            "extension",
        ),
        (
            f"{RIGHT}\r\nSec-WebSocket-Protocol: other",
            "subprotocol",
        ),
    ],
)
async def test_a_wrong_answer_is_no_websocket(tmp_path, lines, error):
    answer = f"HTTP/1.1 101 Switching Protocols\r\n{lines}\r\n\r\n"
    async with ws_peer(nothing, answer=answer) as port, public_web(tmp_path) as internet:
        internet.forward("ws.example", port)
        with pytest.raises(HandshakeFailed, match=error):
            await internet.egress.websocket(CALLER, "ws://ws.example/", subprotocols=["chat"])


async def test_a_peer_that_never_answers_meets_the_deadline(tmp_path):
    async def handle(reader, writer):
        held.append(writer)

    held: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with public_web(tmp_path) as internet:
        internet.forward("ws.example", server.sockets[0].getsockname()[1])
        with pytest.raises(httpx2.TimeoutException):
            await internet.egress.websocket(
                CALLER, "ws://ws.example/", limits=WebSocketLimits(handshake_timeout_s=0.05)
            )
    for writer in held:
        writer.close()
    server.close()


async def test_data_right_behind_the_handshake_is_not_lost(tmp_path):
    async def script(peer):
        peer.text("first")
        peer.say(b"\x88\x02\x03\xe8")
        await nothing(peer)

    async with connected(tmp_path, script) as client:
        assert [message async for message in client] == ["first"]


async def test_iteration_tells_an_orderly_end_from_another(tmp_path):
    async def script(peer):
        peer.text("only")

    async with connected(tmp_path, script) as client:
        messages = aiter(client)
        assert await anext(messages) == "only"
        with pytest.raises(WebSocketClosed, match="hung up"):
            await anext(messages)


async def test_pings_are_answered(tmp_path):
    heard = asyncio.Queue()

    async def script(peer):
        peer.say(b"\x89\x03abc\x8a\x00")
        heard.put_nowait(await peer.hear())
        await nothing(peer)

    async with connected(tmp_path, script):
        assert await heard.get() == (10, b"abc")


async def test_a_silent_peer_is_asked_and_lives_if_it_answers(tmp_path):
    async def script(peer):
        assert await peer.hear() == (9, b"")
        peer.say(b"\x8a\x00")
        assert await peer.hear() == (9, b"")
        peer.text("still here")
        await nothing(peer)

    async with connected(tmp_path, script, ping_after_s=0.01) as client:
        assert await client.receive() == "still here"


async def test_a_peer_that_stays_silent_is_given_up(tmp_path):
    async with connected(tmp_path, nothing, ping_after_s=0.01, pong_timeout_s=0.01) as client:
        with pytest.raises(WebSocketClosed, match="fell silent") as caught:
            await client.receive()
        assert caught.value.code == 1006


@pytest.mark.parametrize(
    ("data", "code"),
    [(b"\x82\x7f\x00\x00\x00\x01\0\0\0\0", 1009), (b"\xc1\x00", 1002), (b"\x81\x01\xff", 1007)],
)
async def test_a_peer_that_breaks_a_rule_is_told_and_left(tmp_path, data, code):
    heard = asyncio.Queue()

    async def script(peer):
        peer.say(data)
        heard.put_nowait(await peer.hear())
        await nothing(peer)

    async with connected(tmp_path, script) as client:
        assert await code_of(client.receive()) == code
    opcode, payload = await heard.get()
    assert (opcode, int.from_bytes(payload[:2], "big")) == (8, code)


async def test_reading_stops_while_nobody_takes_what_came(tmp_path):
    is_stuck = asyncio.Event()

    async def flood(peer):
        frame = b"\x82\x7e\xff\xff" + b"x" * 65_535
        for _ in range(10_000):
            peer.say(frame)
            try:
                async with asyncio.timeout(0.1):
                    await peer.writer.drain()
            except TimeoutError:  # every buffer on the way is full
                is_stuck.set()
                await nothing(peer)

    limits = {"max_queued_messages": 4, "max_message_bytes": 65_535}
    async with connected(tmp_path, flood, **limits) as client:
        await is_stuck.wait()
        assert 1 <= len(client._messages) <= 4
        assert len(await client.receive()) == 65_535


async def test_empty_messages_are_bounded_by_number(tmp_path):
    async def flood(peer):
        peer.say(b"\x81\x00" * 1000)
        await nothing(peer)

    async with connected(tmp_path, flood, max_queued_messages=10) as client:
        for _ in range(1000):
            assert await client.receive() == ""
            assert len(client._messages) <= 10


async def test_a_close_waits_for_its_answer(tmp_path):
    heard = asyncio.Queue()

    async def script(peer):
        peer.text("unread")
        heard.put_nowait(await peer.hear())
        peer.say(b"\x88\x02\x03\xe8")
        await nothing(peer)

    async with connected(tmp_path, script) as client:
        await client.close(1001, "moving")
        assert await heard.get() == (8, b"\x03\xe9moving")
        await client.close()


async def test_a_close_without_an_answer_does_not_hang(tmp_path):
    async with connected(tmp_path, nothing, close_timeout_s=0.01) as client:
        await client.close()
        assert await code_of(client.send("x")) == 1000
        assert await code_of(client.receive()) == 1000


async def test_nothing_is_sent_behind_a_close(tmp_path):
    async with connected(tmp_path, nothing, close_timeout_s=0.05) as client:
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert await code_of(client.send("x")) == 1000
        await closing


async def test_a_peer_that_takes_nothing_is_given_up(tmp_path):
    async def deaf(peer):
        peer.writer.transport.pause_reading()
        await peer.writer.wait_closed()

    async with connected(tmp_path, deaf, send_timeout_s=0.05) as client:
        with pytest.raises(WebSocketClosed, match="takes nothing") as caught:
            await client.send(b"x" * 50_000_000)
        assert caught.value.code == 1006


async def test_a_cancelled_send_ends_the_connection(tmp_path):
    async def deaf(peer):
        peer.writer.transport.pause_reading()
        await peer.writer.wait_closed()

    async with connected(tmp_path, deaf) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send(b"x" * 50_000_000), 0.05)
        assert await code_of(client.receive()) == 1006


async def test_a_broken_connection_ends_sends(tmp_path):
    async def reset(peer):
        peer.writer.transport.abort()

    async with connected(tmp_path, reset) as client:
        assert await code_of(client.receive()) == 1006
        assert await code_of(client.send("x")) == 1006


async def test_a_write_that_fails_ends_the_connection(tmp_path):
    async with connected(tmp_path, nothing) as client:

        class Broken(httpcore2.AsyncNetworkStream):
            async def write(self, buffer, timeout=None):  # noqa: ASYNC109 - the library's own
                raise httpcore2.WriteError("broken pipe")

        client._stream = Broken()
        with pytest.raises(WebSocketClosed, match="broken pipe"):
            await client.send("x")


async def test_garbage_amid_tls_ends_the_connection(tmp_path):
    async with connected(tmp_path, nothing) as client:

        class Garbled(httpcore2.AsyncNetworkStream):
            async def read(self, max_bytes, timeout=None):  # noqa: ASYNC109 - the library's own
                raise ssl.SSLError("bad record")

            async def write(self, buffer, timeout=None):  # noqa: ASYNC109 - the library's own
                pass

        client._stream = Garbled()
        with pytest.raises(WebSocketClosed, match="bad record"):
            await client.receive()
