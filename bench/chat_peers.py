"""What stands around a gateway that is measured: people, a model, and who takes the answers.

All three live in the bench's own loop and speak plain HTTP/1.1 over raw sockets, so that they
cost little and every time is taken where the first byte is seen.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

__all__ = [
    "SECRET",
    "Answer",
    "Callback",
    "HttpServer",
    "Model",
    "Person",
    "Times",
    "json_response",
    "signed",
    "webhook_settings",
]

SECRET = "a secret of a gateway that lives for minutes"  # noqa: S105 - as it says
_MARK = re.compile(rb"#(p\d+-\d+)#")
_ANSWER_S = 30.0


def webhook_settings(callback_url: str) -> dict[str, object]:
    """`channels` with the webhook channel open to anybody in any group."""
    return {
        "webhook": {
            "enabled": True,
            "secret": SECRET,
            "callbackUrl": callback_url,
            "dmPolicy": "open",
            "allowFrom": ["*"],
            "groupPolicy": "open",
            "groupAllowFrom": ["*"],
            "requireMention": False,
        }
    }


@dataclass
class Times:
    """When what happened to one message, in seconds of `time.perf_counter`."""

    posted: float
    accepted: float = 0.0
    asked: float = 0.0
    thought: float = 0.0
    answered: float = 0.0
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def webhook_ms(self) -> float:
        """From the post to its 202."""
        return 1000 * (self.accepted - self.posted)

    @property
    def gateway_ms(self) -> float:
        """From the 202 to the call of the channel, without the model's time; never below 0."""
        before = max(0.0, self.asked - self.accepted)
        return 1000 * (before + max(0.0, self.answered - self.thought))


Answer = Callable[[bytes, float], bytes | None]
"""Body and time of the first byte of a request; the raw response, None for silence, nothing to
hang up."""


class _Connection(asyncio.Protocol):
    """One keep-alive connection of a server."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._data = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._began = time.perf_counter()
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        length = _length(head)
        if not end or len(rest) < length:
            return
        self._data = rest[length:]
        response = self._answer(rest[:length], self._began)
        if self._transport is None or response is None:
            return
        if response:
            self._transport.write(response)
        else:
            self._transport.abort()


class HttpServer:
    """Serves `answer` on a free port of loopback."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self._answer), "127.0.0.1", 0, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Listen no more; connections end with the gateway."""
        if self._server is not None:
            self._server.close()


class Model:
    """Answers every prompt at once with one word, and notes when it was asked."""

    def __init__(self, times: dict[str, Times]) -> None:
        self._times = times
        self.server = HttpServer(self._answer)

    def _answer(self, body: bytes, at: float) -> bytes:
        found = _MARK.findall(body)
        times = self._times.get(found[-1].decode()) if found else None
        if times is not None and not times.asked:
            times.asked = at
        response = json_response(b"{}") if not body else _STREAM
        if times is not None:
            times.thought = time.perf_counter()
        return response


class Callback:
    """Takes answers, counts them by message, or hangs as long as it is told to."""

    def __init__(self, times: dict[str, Times]) -> None:
        self._times = times
        self.hangs = False
        self.hanging = 0
        self.first: float = 0.0
        self.last: float = 0.0
        self.keys: set[str] = set()
        self.marked = 0
        self.repeated = 0
        self.server = HttpServer(self._answer)

    def _answer(self, body: bytes, at: float) -> bytes | None:
        if self.hangs:
            self.hanging += 1
            return None
        said = json.loads(body)
        key = said["idempotencyKey"]
        self.marked += bool(said["mayBeRepeat"])
        self.repeated += key in self.keys
        self.keys.add(key)
        self.first = self.first or at
        self.last = at
        times = self._times.get(said["replyTo"] or "")
        if times is not None and not times.answered:
            times.answered = at
            times.arrived.set()
        return json_response(b'{"id":"x"}')


class Person(asyncio.Protocol):
    """Writes to a group of their own, over one connection, and waits for answers."""

    def __init__(self, name: str, port: int, times: dict[str, Times]) -> None:
        self.name = name
        self._port = port
        self._times = times
        self._count = 0
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[tuple[int, float]] | None = None

    async def connect(self) -> None:
        """Open the connection."""
        loop = asyncio.get_running_loop()
        await loop.create_connection(lambda: self, "127.0.0.1", self._port)

    def close(self) -> None:
        """Hang up."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is there."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone; who waits for an answer hears of it."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("hung up"))

    def data_received(self, data: bytes) -> None:
        """A part of an answer, or all of it."""
        at = time.perf_counter()
        self._data += data
        head, end, rest = self._data.partition(b"\r\n\r\n")
        length = _length(head)
        if not end or len(rest) < length or self._answer is None:
            return
        self._data = rest[length:]
        if not self._answer.done():  # who asked may have gone
            self._answer.set_result((int(head.split(b" ", 2)[1]), at))

    async def write(self) -> Times:
        """Post one message; returns when it was accepted."""
        self._count += 1
        message_id = f"{self.name}-{self._count}"
        message = {
            "id": message_id,
            "sender": {"id": self.name},
            "conversation": {"id": f"group-{self.name}", "type": "group"},
            "text": f"#{message_id}# How is the weather where you are?",
        }
        request = signed(json.dumps(message).encode())
        times = self._times[message_id] = Times(posted=time.perf_counter())
        status, times.accepted = await self.post(request)
        if status != 202:  # noqa: PLR2004 - HTTP
            raise RuntimeError(f"{message_id} was answered with {status}")
        return times

    async def post(self, request: bytes) -> tuple[int, float]:
        """Send `request`; status and time of the answer."""
        assert self._transport is not None  # noqa: S101 - connected
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        async with asyncio.timeout(_ANSWER_S):
            return await self._answer


def signed(body: bytes, secret: str = SECRET) -> bytes:
    """A whole request to the webhook channel."""
    at = int(time.time())
    mac = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    head = (
        "POST /channels/webhook/default HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        f"X-Carapace-Signature: t={at},v1={mac}\r\n\r\n"
    )
    return head.encode() + body


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line[:15].lower() == b"content-length:":
            return int(line[15:])
    return 0


def json_response(body: bytes, status: str = "200 OK", more: str = "") -> bytes:
    """A raw response; `more` are further header lines, each with its end."""
    head = (
        f"HTTP/1.1 {status}\r\n{more}Content-Type: application/json\r\nContent-Length: {len(body)}"
    )
    return head.encode() + b"\r\n\r\n" + body


def _stream() -> bytes:
    base = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "fake-1"}

    def chunk(delta: dict[str, str], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return b"data: " + json.dumps({**base, "choices": [choice]}).encode() + b"\n\n"

    usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
    events = chunk({"role": "assistant", "content": ""}) + chunk({"content": "Sunny."})
    events += chunk({}, "stop")
    events += b"data: " + json.dumps({**base, "choices": [], "usage": usage}).encode() + b"\n\n"
    events += b"data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(events)}"
    return head.encode() + b"\r\n\r\n" + events


_STREAM = _stream()
