"""A WebSocket server that says its part byte by byte, right or wrong, as a test wants it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from support.listener import listening

__all__ = ["WsPeer", "accept_key", "ws_peer"]

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_key(head: str) -> str:
    """The Sec-WebSocket-Accept that fits a request (RFC 6455 section 4.2.2)."""
    key = next(
        line.partition(":")[2].strip()
        for line in head.split("\r\n")
        if line.lower().startswith("sec-websocket-key:")
    )
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()  # noqa: S324 - the RFC's


class WsPeer:
    """The server's end of one connection, after its handshake."""

    def __init__(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    def text(self, message: str) -> None:
        payload = message.encode()
        assert len(payload) < 126
        self.say(bytes([0x81, len(payload)]) + payload)

    async def hear(self) -> tuple[int, bytes]:
        """Opcode and payload of the client's next frame, which must be masked and final."""
        first, second = await self.reader.readexactly(2)
        assert first & 0x80
        assert second & 0x80
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(await self.reader.readexactly(2 if size == 126 else 8), "big")
        mask = await self.reader.readexactly(4)
        data = await self.reader.readexactly(size)
        return first & 0x0F, bytes(b ^ mask[i % 4] for i, b in enumerate(data))


@asynccontextmanager
async def ws_peer(
    script: Callable[[WsPeer], Awaitable[None]], *, answer: str | None = None
) -> AsyncGenerator[int]:
    """The port of a server that shakes hands and then plays `script`.

    `answer` replaces the head of its answer; `{accept}` in it is the right key.
    """
    usual = (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Accept: {accept}\r\n\r\n"
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        writer.write((answer or usual).replace("{accept}", accept_key(head)).encode())
        await script(WsPeer(head, reader, writer))

    async with listening(serve) as port:
        yield port
