"""A server on this machine that plays a script to whoever connects, and is gone with its block."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

__all__ = ["Serve", "listening"]

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_LIMIT_BYTES = 1024 * 1024


@asynccontextmanager
async def listening(
    serve: Serve,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    ssl_context: ssl.SSLContext | None = None,
) -> AsyncGenerator[int]:
    """The port it listens on; connections that are still open at the end are cut off."""
    running: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running[task] = writer
        try:
            await serve(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, as some tests want it to, or all is over
        finally:
            writer.close()
            del running[task]

    server = await asyncio.start_server(handle, host, port, ssl=ssl_context, limit=_LIMIT_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task, writer in running.items():
            writer.transport.abort()
            task.cancel()
        while running:
            await asyncio.wait(list(running))
        await server.wait_closed()
