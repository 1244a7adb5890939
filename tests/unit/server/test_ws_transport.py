"""A real socket pair: frames in, messages out, and what happens to misbehaviour."""

from __future__ import annotations

import asyncio
import os
import struct

import pytest

from carapace.server.turns import Turns
from carapace.server.ws_transport import WsTransport
from support.polling import until

MAX = 1000


def masked(opcode: int, payload: bytes, *, fin: bool = True) -> bytes:
    key = os.urandom(4)
    body = bytes(byte ^ key[i % 4] for i, byte in enumerate(payload))
    first = (0x80 if fin else 0) | opcode
    if len(payload) < 126:
        return bytes((first, 0x80 | len(payload))) + key + body
    return bytes((first, 0xFE)) + struct.pack("!H", len(payload)) + key + body


class Owner:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.gone = asyncio.Event()
        self.on_message = lambda message: None

    def received(self, message: bytes) -> None:
        self.messages.append(message)
        self.on_message(message)

    def lost(self) -> None:
        self.gone.set()


class Stage:
    wire: WsTransport
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def __init__(self) -> None:
        self.owner = Owner()

    async def open(self, early: bytes = b"") -> None:
        loop, ready = asyncio.get_running_loop(), asyncio.Event()

        stage = self

        class Accept(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                assert isinstance(transport, asyncio.Transport)
                stage.wire = WsTransport(transport, MAX, Turns())
                stage.wire.start(stage.owner, early)
                ready.set()

        self.server = await loop.create_server(Accept, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        await ready.wait()

    async def close(self) -> None:
        self.writer.close()
        if self.wire.is_open:
            self.wire.abort()
        await self.owner.gone.wait()
        self.server.close()


@pytest.fixture
async def stage():
    stage = Stage()
    await stage.open()
    yield stage
    await stage.close()


async def test_text_and_binary_messages_arrive_alike(stage):
    stage.writer.write(masked(1, b"text") + masked(2, b"binary"))
    await until(lambda: len(stage.owner.messages) == 2)
    assert stage.owner.messages == [b"text", b"binary"]


async def test_fragments_are_joined(stage):
    stage.writer.write(masked(1, b"ab", fin=False) + masked(0, b"cd"))
    await until(lambda: stage.owner.messages)
    assert stage.owner.messages == [b"abcd"]


async def test_early_bytes_are_read_first():
    stage = Stage()
    await stage.open(masked(1, b"early"))
    assert stage.owner.messages == [b"early"]
    await stage.close()


async def test_messages_go_out_as_text_frames(stage):
    stage.wire.send(b"hello")
    stage.wire.send_parts(b"par", b"ts")
    stage.wire.send_parts(b"x" * 5000, b"}")
    assert await stage.reader.readexactly(14) == b"\x81\x05hello\x81\x05parts"
    assert await stage.reader.readexactly(4) == b"\x81\x7e" + struct.pack("!H", 5001)
    assert await stage.reader.readexactly(5001) == b"x" * 5000 + b"}"
    stage.wire.send(b"y" * 70_000)
    assert await stage.reader.readexactly(10) == b"\x81\x7f" + struct.pack("!Q", 70_000)
    assert await stage.reader.readexactly(70_000) == b"y" * 70_000


async def test_a_ping_is_answered_and_a_pong_ignored(stage):
    stage.writer.write(masked(10, b"") + masked(9, b"hi"))
    assert await stage.reader.readexactly(4) == b"\x8a\x02hi"
    assert stage.owner.messages == []


async def test_a_close_is_answered_and_ends(stage):
    stage.writer.write(masked(8, b"\x03\xe8bye") + masked(1, b"too late"))
    assert await stage.reader.read() == b"\x88\x02\x03\xe8"
    await stage.owner.gone.wait()
    assert stage.owner.messages == []


async def test_our_close_waits_for_theirs(stage):
    stage.wire.close(1008, "no")
    stage.wire.close(1000, "twice")
    stage.wire.send(b"nothing more")
    stage.wire.send_parts(b"nothing", b" more")
    assert await stage.reader.readexactly(6) == b"\x88\x04\x03\xf0no"
    stage.writer.write(masked(1, b"ignored") + masked(9, b"") + masked(8, b"\x03\xf0"))
    assert await stage.reader.read() == b""
    await stage.owner.gone.wait()
    assert stage.owner.messages == []
    assert not stage.wire.is_open
    assert stage.wire.buffered == 0


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(1, b"x" * (MAX + 1)), 1009),
        (b"\x83\x80\x00\x00\x00\x00", 1002),
        (masked(0, b"no beginning"), 1002),
    ],
    ids=["too-long", "unknown-opcode", "no-beginning"],  # masks are random, ids must not be
)
async def test_broken_framing_is_closed_with_its_code_after_what_came_before(stage, frame, code):
    stage.writer.write(masked(1, b"before") + frame)
    assert await stage.reader.read() == b"\x88\x02" + code.to_bytes(2, "big")
    assert stage.owner.messages == [b"before"]
    stage.writer.write(b"whatever follows")
    stage.writer.close()
    await stage.owner.gone.wait()


async def test_held_messages_wait_for_the_release_in_their_order(stage):
    stage.owner.on_message = lambda message: stage.wire.hold()
    stage.writer.write(masked(1, b"1") + masked(1, b"2"))
    await until(lambda: stage.owner.messages)
    stage.writer.write(masked(1, b"3"))
    await asyncio.sleep(0)
    assert stage.owner.messages == [b"1"]
    stage.owner.on_message = lambda message: None
    stage.wire.release()
    await until(lambda: len(stage.owner.messages) == 3)
    assert stage.owner.messages == [b"1", b"2", b"3"]


async def test_a_flood_gives_way_to_others_and_loses_nothing(stage):
    turns: list[int] = []
    stage.owner.on_message = lambda message: (
        len(stage.owner.messages) == 1
        and asyncio.get_running_loop().call_soon(lambda: turns.append(len(stage.owner.messages)))
    )
    stage.writer.write(b"".join(masked(1, b"%d" % number) for number in range(1000)))
    await until(lambda: len(stage.owner.messages) == 1000)
    assert stage.owner.messages == [b"%d" % number for number in range(1000)]
    assert turns[0] <= 64


async def test_a_client_that_does_not_read_is_not_read_and_counted_as_stalled(stage):
    assert stage.wire.stalled_s == 0.0
    while stage.wire.stalled_s == 0.0:
        stage.wire.send(b"x" * 500_000)
    assert stage.wire.buffered > 0
    stage.writer.write(masked(1, b"more"))
    await asyncio.sleep(0)
    assert stage.owner.messages == []
    task = asyncio.get_running_loop().create_task(stage.reader.read())
    await until(lambda: stage.owner.messages)
    assert stage.wire.stalled_s == 0.0
    stage.wire.abort()
    await task


@pytest.mark.slow
async def test_who_does_not_answer_our_close_is_cut(stage):
    stage.wire.close(1000, "")
    async with asyncio.timeout(5):
        await stage.owner.gone.wait()


async def test_after_the_end_nothing_happens(stage):
    stage.wire.abort()
    await stage.owner.gone.wait()
    stage.wire.abort()
    stage.wire.close(1000, "")
    stage.wire.send(b"x")
    stage.wire.hold()
    stage.wire.release()
    stage.wire.data_received(b"late")
    assert (stage.wire.buffered, stage.wire.is_open) == (0, False)


async def test_who_does_not_take_its_answers_is_not_served_the_rest(stage):
    answer = b"x" * 200_000
    stage.owner.on_message = lambda _message: stage.wire.send(answer)
    asked = 400
    stage.writer.write(b"".join(masked(1, b"more") for _ in range(asked)))
    await until(lambda: stage.wire.stalled_s > 0)
    served = len(stage.owner.messages)
    for _ in range(50):
        await asyncio.sleep(0)
    assert len(stage.owner.messages) == served < asked
    size = len(answer) + 10
    await stage.reader.readexactly(size * asked)
    assert len(stage.owner.messages) == asked


async def test_a_large_read_is_taken_apart_in_slices(stage):
    """One socket's flood costs a pass of the loop little: others get in between."""
    asked = 4_000
    seen = []
    stage.writer.write(b"".join(masked(1, b"%d" % n) for n in range(asked)))
    while len(stage.owner.messages) < asked:
        before = len(stage.owner.messages)
        await asyncio.sleep(0)
        seen.append(len(stage.owner.messages) - before)
    assert stage.owner.messages == [b"%d" % n for n in range(asked)]
    assert max(seen) <= 64


async def test_a_goodbye_behind_a_flood_is_found(stage):
    stage.writer.write(b"".join(masked(1, b"m" * 50) for _ in range(2_000)))
    stage.writer.write(masked(8, struct.pack("!H", 1000)))
    await until(lambda: stage.owner.messages)
    stage.wire.close(1001, "bye")
    async with asyncio.timeout(1.5):
        await stage.owner.gone.wait()
