"""A peer on loopback that speaks bytes: what it does with a connection is a function."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

__all__ = ["Serve", "echo", "tcp_peer"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(1000):
        writer.write(data)


@asynccontextmanager
async def tcp_peer(
    serve: Serve = echo, *, tls: ssl.SSLContext | None = None, path: str | None = None
) -> AsyncGenerator[int]:
    """Its port, or 0 if it listens on the socket `path`; connections end with `serve`."""
    running: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            with suppress(OSError):
                await serve(reader, writer)
        finally:
            running.discard(task)
            writer.transport.abort()

    if path is not None:
        server = await asyncio.start_unix_server(one, path)
    else:
        server = await asyncio.start_server(one, "127.0.0.1", 0, ssl=tls)
    try:
        yield 0 if path is not None else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()
        for task in list(running):
            task.cancel()
        if running:
            await asyncio.wait(list(running))
        await asyncio.sleep(0)
