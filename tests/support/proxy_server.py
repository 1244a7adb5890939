"""Proxies on loopback: HTTP CONNECT (clear or TLS) and SOCKS5, written from their RFCs.

They connect to nothing by themselves: `dial` says where a tunnel leads.
"""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from support.listener import listening

__all__ = ["Pipe", "ProxyServer", "http_proxy", "socks_proxy"]

Pipe = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Dial = Callable[[str, int], Awaitable[Pipe]]


class ProxyServer:
    """What a proxy was asked.

    Attributes:
        port: Where it listens on 127.0.0.1.
        asked: The (host, port) of each tunnel.
        login: Name and password it wants, or None.
        answer: What it says instead of opening a tunnel, or None.
    """

    def __init__(self, dial: Dial, login: tuple[str, str] | None, answer: bytes | None) -> None:
        self.port = 0
        self.asked: list[tuple[str, int]] = []
        self.login = login
        self.answer = answer
        self._dial = dial

    async def tunnel(self, host: str, port: int) -> Pipe:
        self.asked.append((host, port))
        return await self._dial(host, port)


@asynccontextmanager
async def http_proxy(
    dial: Dial,
    *,
    login: tuple[str, str] | None = None,
    answer: bytes | None = None,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncGenerator[ProxyServer]:
    """A proxy for CONNECT."""
    proxy = ProxyServer(dial, login, answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        method, authority, _ = head.split("\r\n")[0].split(" ")
        host, _, port = authority.rpartition(":")
        if proxy.answer is not None:
            writer.write(proxy.answer)
            return
        if proxy.login is not None:
            pair = base64.b64encode(":".join(proxy.login).encode()).decode()
            if f"Proxy-Authorization: Basic {pair}\r\n" not in head:
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
        assert method == "CONNECT"
        beyond = await proxy.tunnel(host.strip("[]"), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n")
        await _relay((reader, writer), beyond)

    async with listening(serve, ssl_context=ssl_context) as proxy.port:
        yield proxy


@asynccontextmanager
async def socks_proxy(
    dial: Dial, *, login: tuple[str, str] | None = None, answer: bytes | None = None
) -> AsyncGenerator[ProxyServer]:
    """A proxy for SOCKS5 (RFC 1928, RFC 1929)."""
    proxy = ProxyServer(dial, login, answer)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        version, n_methods = await reader.readexactly(2)
        offered = await reader.readexactly(n_methods)
        wanted = 0 if proxy.login is None else 2
        if version != 5 or wanted not in offered:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, wanted]))
        if proxy.login is not None:
            _, size = await reader.readexactly(2)
            name = (await reader.readexactly(size)).decode()
            (size,) = await reader.readexactly(1)
            password = (await reader.readexactly(size)).decode()
            is_right = (name, password) == proxy.login
            writer.write(b"\x01\x00" if is_right else b"\x01\x01")
            if not is_right:
                return
        version, command, _, kind = await reader.readexactly(4)
        assert (version, command) == (5, 1)
        if kind == 3:
            (size,) = await reader.readexactly(1)
            host = (await reader.readexactly(size)).decode()
        else:
            host = str(ip_address(await reader.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await reader.readexactly(2), "big")
        if proxy.answer is not None:
            writer.write(proxy.answer)
            return
        beyond = await proxy.tunnel(host, port)
        writer.write(b"\x05\x00\x00\x03\x04here\x00\x50")
        await _relay((reader, writer), beyond)

    async with listening(serve) as proxy.port:
        yield proxy


async def _relay(near: Pipe, far: Pipe) -> None:
    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side is gone, so the other goes too
        finally:
            writer.close()

    await asyncio.gather(pump(near[0], far[1]), pump(far[0], near[1]))
