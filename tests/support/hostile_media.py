"""A media server that does everything a server should not, one path for each trick.

It writes its answers byte by byte onto the socket, since a real HTTP library would keep it from
lying. It runs in the test's own process, so the memory that its bombs take is not the gateway's.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import ssl
import struct
import zlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from support.listener import listening
from support.media import PNG, png

__all__ = ["BOMB_BYTES", "TRICKS", "HostileServer", "Trick", "hostile_server"]

MEBIBYTE: Final = 1024 * 1024
BOMB_BYTES: Final = 200 * MEBIBYTE
_PIECE: Final = bytes(65_536)

Write = Callable[[bytes], Awaitable[None]]
Play = Callable[[Write], Awaitable[None]]

# 200 MiB of nothing, coded by a real brotli encoder.
_BROTLI: Final = base64.b64decode(
    "z///fwAkAOKxQHLv//n//w+ABEAcFoDu/T////8BkACIwwLQvf/n//8/ABIAcVgAuvf//P//B0ACIA4LQPf+n////wBI"
    "AMRhAeje//P//x8ACYA4LADd+3/+//8DIAEQhwWge//P//9/ACQA4rAAdO//+f//D4AEQBwWgO79P////wGQAIjDAtC9"
    "/+f//z8AEgBxWAC69//5//8HQAIgDgtA9/4P"
)


def _deflated(window_bits: int) -> bytes:
    coder = zlib.compressobj(9, zlib.DEFLATED, window_bits)
    parts = [coder.compress(_PIECE) for _ in range(BOMB_BYTES // len(_PIECE))]
    return b"".join([*parts, coder.flush()])


def _zstd() -> bytes:
    """A frame of run-length blocks: four bytes for 128 KiB each (RFC 8878 section 3.1.1)."""
    block, n_blocks = 128 * 1024, BOMB_BYTES // (128 * 1024)
    parts = [b"\x28\xb5\x2f\xfd\x00\x58"]
    for number in range(n_blocks):
        is_last = number == n_blocks - 1
        parts.append((block << 3 | 1 << 1 | is_last).to_bytes(3, "little") + b"\x00")
    return b"".join(parts)


@dataclass(frozen=True)
class Trick:
    """One path.

    Attributes:
        play: Writes the whole answer.
        outcome: How fetching it has to end: `stored` with a type, `refused` or `failed`.
        content_type: Of what is stored.
        picture: How opening it has to end: `rendered` or `refused`; None for what is no picture.
    """

    play: Play
    outcome: str
    content_type: str | None = None
    picture: str | None = None


def _head(status: str = "200 OK", **headers: object) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "Connection: close", "", ""]).encode()


def _whole(data: bytes, status: str = "200 OK", **headers: object) -> Play:
    async def play(write: Write) -> None:
        await write(_head(status, Content_Length=len(data), **headers) + data)

    return play


def _raw(*parts: bytes) -> Play:
    async def play(write: Write) -> None:
        for part in parts:
            await write(part)

    return play


def _flood(status: str = "200 OK", **headers: object) -> Play:
    async def play(write: Write) -> None:
        await write(_head(status, **headers))
        while True:
            await write(_PIECE)

    return play


async def _chunked_flood(write: Write) -> None:
    await write(_head(Transfer_Encoding="chunked"))
    while True:
        await write(b"10000\r\n" + _PIECE + b"\r\n")


async def _tiny_chunks(write: Write) -> None:
    await write(_head(Transfer_Encoding="chunked"))
    while True:
        await write(b"1\r\nx\r\n" * 4096)


def _drip(first: bytes, piece: bytes, every_s: float) -> Play:
    async def play(write: Write) -> None:
        await write(first)
        while True:
            await asyncio.sleep(every_s)
            await write(piece)

    return play


async def _nothing(write: Write) -> None:
    await asyncio.Event().wait()


async def _endless_head(write: Write) -> None:
    await write(b"HTTP/1.1 200 OK\r\n")
    while True:
        await write(b"X-Filler: " + b"x" * 60_000 + b"\r\n")


def _gzip_member(data: bytes) -> bytes:
    return gzip.compress(data, 9)


def _gif_of_many_frames() -> bytes:
    frame = b"\x2c\x00\x00\x00\x00\xff\xff\xff\xff\x00" + b"\x08" + b"\x01\x00\x00"
    screen = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + b"\x80\x00\x00" + bytes(6)
    return screen + frame * 1000 + b";"


def _huge_but_small_file() -> bytes:
    """60 million pixels that are really there, in some 180 kB: under the cap of the header."""
    rows = zlib.compressobj(9)
    row = b"\x00" + bytes(8_000 * 3)
    data = b"".join([*(rows.compress(row) for _ in range(7_500)), rows.flush()])

    def chunk(name: bytes, body: bytes) -> bytes:
        size = struct.pack(">I", len(body))
        return size + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", 8_000, 7_500, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", data), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


_ZIP: Final = b"PK\x05\x06" + bytes(18)
_SVG: Final = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"

TRICKS: Final[dict[str, Trick]] = {
    # bombs
    "gzip-bomb": Trick(_whole(_deflated(31), Content_Encoding="gzip"), "refused"),
    "deflate-bomb": Trick(_whole(_deflated(15), Content_Encoding="deflate"), "refused"),
    "raw-deflate-bomb": Trick(_whole(_deflated(-15), Content_Encoding="deflate"), "refused"),
    "br-bomb": Trick(_whole(_BROTLI, Content_Encoding="br"), "failed"),
    "zstd-bomb": Trick(_whole(_zstd(), Content_Encoding="zstd"), "failed"),
    "layers": Trick(_whole(_gzip_member(PNG), Content_Encoding="gzip, gzip"), "failed"),
    "gzip-endless": Trick(_flood(Content_Encoding="gzip"), "failed"),
    "gzip-cut": Trick(_whole(_gzip_member(PNG)[:-9], Content_Encoding="gzip"), "failed"),
    # bodies without an end, or without a pace
    "endless": Trick(_flood(), "refused"),
    "endless-error": Trick(_flood("500 Oops"), "failed"),
    "endless-chunks": Trick(_chunked_flood, "refused"),
    "tiny-chunks": Trick(_tiny_chunks, "failed"),  # a byte a chunk: costs its time, then ends
    "slow": Trick(_drip(_head(Content_Length=100_000), b"x", 0.05), "failed"),
    "silent-body": Trick(_drip(_head(Content_Length=100_000), b"", 0.5), "failed"),
    "slow-head": Trick(_drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.3), "failed"),
    "no-answer": Trick(_nothing, "failed"),
    "endless-head": Trick(_endless_head, "failed"),
    # lies about length
    "length-too-long": Trick(_raw(_head(Content_Length=10**13), bytes(1000)), "refused"),
    "length-cut": Trick(_raw(_head(Content_Length=5_000), bytes(1000)), "failed"),
    "length-short": Trick(
        _raw(_head(Content_Length=len(PNG)), PNG, bytes(5000)), "stored", "image/png", "rendered"
    ),
    "two-lengths": Trick(
        _raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", bytes(6)),
        "failed",
    ),
    "negative-length": Trick(_raw(_head(Content_Length=-5), bytes(5)), "failed"),
    "no-http": Trick(_raw(b"220 smtp.example ESMTP\r\n"), "failed"),
    "empty": Trick(_whole(b""), "refused"),
    # lies about type
    "page-as-picture": Trick(
        _whole(b"<html><script>x</script>", Content_Type="image/png"), "stored", "text/html"
    ),
    "picture-as-page": Trick(
        _whole(PNG, Content_Type="text/html"), "stored", "image/png", "rendered"
    ),
    "svg": Trick(_whole(_SVG, Content_Type="image/svg+xml"), "stored", "image/svg+xml"),
    "svg-as-png": Trick(_whole(_SVG, Content_Type="image/png"), "stored", "image/svg+xml"),
    "png-and-zip": Trick(_whole(PNG + _ZIP), "stored", "application/octet-stream"),
    "gif-and-page": Trick(_whole(b"GIF89a/*<html>*/"), "stored", "application/octet-stream"),
    # ways round
    "loop": Trick(_whole(b"", "302 Found", Location="/loop"), "refused"),
    "to-metadata": Trick(
        _whole(b"", "302 Found", Location="http://169.254.169.254/latest/meta-data/"), "refused"
    ),
    "to-loopback": Trick(_whole(b"", "302 Found", Location="http://127.0.0.2:1/"), "refused"),
    "to-file": Trick(_whole(b"", "302 Found", Location="file:///etc/passwd"), "refused"),
    # pictures
    "promised-pixels": Trick(
        _whole(png(promised=(50_000, 50_000))), "stored", "image/png", "refused"
    ),
    "many-pixels": Trick(_whole(_huge_but_small_file()), "stored", "image/png", "rendered"),
    "many-frames": Trick(_whole(_gif_of_many_frames()), "stored", "image/gif", "refused"),
    "broken-picture": Trick(_whole(PNG[:40] + bytes(50)), "stored", "image/png", "refused"),
}
"""Every trick, and what must come of it."""


@dataclass
class HostileServer:
    """A server that runs.

    Attributes:
        port: Where it listens.
        sent_bytes: How much each path has sent in all.
    """

    port: int = 0
    sent_bytes: dict[str, int] = field(default_factory=dict[str, int])

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, then hang up."""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            request = await reader.readuntil(b"\r\n\r\n")
            name = request.split()[1].decode().strip("/")

            async def write(data: bytes) -> None:
                writer.write(data)
                await writer.drain()
                await asyncio.sleep(0)  # over TLS `drain` alone never lets the loop see the end
                self.sent_bytes[name] = self.sent_bytes.get(name, 0) + len(data)

            await TRICKS[name].play(write)
        with suppress(ConnectionError):
            writer.close()
            await writer.wait_closed()


@asynccontextmanager
async def hostile_server(
    host: str = "127.0.0.1", port: int = 0, *, ssl_context: ssl.SSLContext | None = None
) -> AsyncGenerator[HostileServer]:
    """The server, by default on a free port of loopback; its answers are cut off at the end."""
    server = HostileServer()
    async with listening(
        server.serve, host=host, port=port, ssl_context=ssl_context
    ) as server.port:
        yield server
