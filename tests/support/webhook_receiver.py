"""The other end of the webhook channel: takes posts on loopback and misbehaves as a test says."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Post", "Reply", "WebhookReceiver", "webhook_receiver"]

Manner = Literal["answer", "reset", "reset-unread", "hang", "partial", "garbage", "stall"]
"""`partial` cuts the answer's body, `stall` sends its head and then nothing."""


@dataclass(frozen=True)
class Reply:
    """What the next request gets."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    manner: Manner = "answer"


@dataclass(frozen=True)
class Post:
    """One request as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body)


class WebhookReceiver:
    """Answers with scripted replies in order, then with a fresh id for each key."""

    def __init__(self) -> None:
        self.posts: list[Post] = []
        self.connections = 0
        self._replies: deque[Reply] = deque()
        self._server: asyncio.Server | None = None
        self._free = asyncio.Event()
        self._changed = asyncio.Condition()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/in?token=url-token"

    def script(self, *replies: Reply) -> None:
        self._replies.extend(replies)

    async def posted(self, count: int) -> list[Post]:
        """The requests so far, once there are `count`."""
        async with asyncio.timeout(5), self._changed:
            await self._changed.wait_for(lambda: len(self.posts) >= count)
        return self.posts

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)

    async def stop(self) -> None:
        """Nobody answers any more."""
        self._free.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        reply = self._replies.popleft() if self._replies else None
        if reply is not None and reply.manner == "reset-unread":
            writer.transport.abort()
            return False
        post = await _post(head, reader)
        async with self._changed:
            self.posts.append(post)
            self._changed.notify_all()
        if reply is None:
            body = json.dumps({"id": f"id-{len(self.posts)}"}).encode()
            reply = Reply(body=body)
        return await self._answer(reply, writer)

    async def _answer(self, reply: Reply, writer: asyncio.StreamWriter) -> bool:
        if reply.manner == "reset":
            writer.transport.abort()
            return False
        if reply.manner == "garbage":
            writer.write(b"\x00\xff no http at all\r\n\r\n")
            await writer.drain()
            return False
        if reply.manner == "hang":
            await self._free.wait()
            return False
        length = len(reply.body) + (100 if reply.manner in {"partial", "stall"} else 0)
        headers = {"Content-Length": str(length), "Content-Type": "application/json"}
        lines = [f"{name}: {value}" for name, value in {**headers, **reply.headers}.items()]
        head = "\r\n".join([f"HTTP/1.1 {reply.status} Scripted", *lines])
        writer.write(f"{head}\r\n\r\n".encode("latin-1") + reply.body)
        await writer.drain()
        if reply.manner == "stall":
            await self._free.wait()
        return reply.manner == "answer"


async def _post(head: str, reader: asyncio.StreamReader) -> Post:
    first, *lines = head.rstrip("\r\n").split("\r\n")
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Post(first.split(" ")[1], headers, body)


@asynccontextmanager
async def webhook_receiver() -> AsyncGenerator[WebhookReceiver]:
    receiver = WebhookReceiver()
    await receiver.start()
    try:
        yield receiver
    finally:
        await receiver.stop()
