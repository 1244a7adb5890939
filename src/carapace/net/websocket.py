"""A WebSocket to the outside: the guarded HTTP client makes the handshake, frames follow.

The handshake is an ordinary guarded request, so address checks, allow-lists, proxies and the
audit line of a refusal are those of HTTP. Behind it one task reads: it answers pings, asks a
silent peer for a sign of life, and stops reading while the consumer has not taken what came.

Source: RFC 6455; WHATWG WebSockets Standard for URLs.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from types import TracebackType
from typing import Final, Self, cast

import httpcore2
import httpx2

from carapace.net.frames import (
    Close,
    CloseCode,
    FrameReader,
    Message,
    Ping,
    Pong,
    ProtocolViolation,
    close_frame,
    message_frame,
    ping_frame,
    pong_frame,
)
from carapace.net.url import as_http_url
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger
from carapace.value import Value

__all__ = [
    "HandshakeFailed",
    "WebSocketClient",
    "WebSocketClosed",
    "WebSocketLimits",
    "open_websocket",
]

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_SWITCHING = 101
_READ_BYTES = 64 * 1024
_ORDERLY = (CloseCode.NORMAL, CloseCode.GOING_AWAY)
log = get_logger(__name__)


class WebSocketLimits(Value, frozen=True):
    """Bounds of one connection.

    Attributes:
        max_message_bytes: Cap of a received message; about three times as much may be held.
        max_queued_messages: So many wait for the consumer before reading stops.
        handshake_timeout_s: From the look-up of the name to the answer of the peer.
        ping_after_s: Silence after which the peer is asked for a sign of life.
        pong_timeout_s: How long it may then take.
        send_timeout_s: How long one message may take to leave.
        close_timeout_s: How long the peer may take to answer our close.
    """

    max_message_bytes: int = 4 * 1024 * 1024
    max_queued_messages: int = 256
    handshake_timeout_s: float = 20.0
    ping_after_s: float = 30.0
    pong_timeout_s: float = 15.0
    send_timeout_s: float = 30.0
    close_timeout_s: float = 5.0


class HandshakeFailed(Exception):  # noqa: N818 - an outcome that callers tell apart
    """The peer was reached but opened no WebSocket.

    Attributes:
        status: What it answered; 101 if the answer itself was wrong.
        headers: Of that answer, `Retry-After` among them.
    """

    def __init__(self, message: str, *, status: int, headers: httpx2.Headers) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers


class WebSocketClosed(Exception):  # noqa: N818 - an end, not a defect
    """The connection has ended.

    Attributes:
        code: Close code; 1005 if the peer gave none, 1006 if it vanished or fell silent.
        reason: What the peer said, or what happened.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


async def open_websocket(
    http: httpx2.AsyncClient,
    url: str,
    *,
    headers: Mapping[str, str],
    subprotocols: Sequence[str],
    limits: WebSocketLimits,
) -> WebSocketClient:
    """Make the handshake over `http`, which belongs to the connection from then on.

    Raises:
        HandshakeFailed: The peer answered something else.
        httpx2.ConnectError: Refused or unreachable.
        httpx2.TimeoutException: It took too long.
    """
    try:
        async with asyncio.timeout(limits.handshake_timeout_s):
            response, subprotocol = await _shake_hands(http, url, headers, subprotocols)
    except TimeoutError as error:
        await http.aclose()
        raise httpx2.ConnectTimeout("the peer opened no WebSocket in time") from error
    except BaseException:
        await http.aclose()
        raise

    async def release() -> None:
        await response.aclose()
        await http.aclose()

    stream = cast("httpcore2.AsyncNetworkStream", response.extensions["network_stream"])
    return WebSocketClient(stream, subprotocol=subprotocol, limits=limits, release=release)


async def _shake_hands(
    http: httpx2.AsyncClient, url: str, headers: Mapping[str, str], subprotocols: Sequence[str]
) -> tuple[httpx2.Response, str | None]:
    key = base64.b64encode(os.urandom(16)).decode()
    ours = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": key,
    }
    if subprotocols:
        ours["sec-websocket-protocol"] = ", ".join(subprotocols)
    request = http.build_request("GET", as_http_url(url), headers=[*headers.items(), *ours.items()])
    response = await http.send(request, stream=True)
    try:
        return response, _check_answer(response, key, subprotocols)
    except BaseException:
        await response.aclose()
        raise


def _check_answer(response: httpx2.Response, key: str, subprotocols: Sequence[str]) -> str | None:
    """The chosen subprotocol.

    Source: RFC 6455 section 4.1, the client's checks.
    """
    answer = response.headers
    problem = None
    if response.status_code != _SWITCHING:
        problem = f"it answered {response.status_code}"
    elif answer.get("upgrade", "").strip().lower() != "websocket":
        problem = "it upgraded to something else"
    elif "upgrade" not in [part.strip().lower() for part in answer.get_list("connection", True)]:
        problem = "its Connection header does not say Upgrade"
    elif answer.get("sec-websocket-accept", "").strip() != _accept(key):
        problem = "its Sec-WebSocket-Accept is wrong"
    elif "sec-websocket-extensions" in answer:
        problem = "it uses an extension that was not offered"
    chosen = answer.get("sec-websocket-protocol")
    if problem is None and chosen is not None and chosen not in subprotocols:
        problem = "it chose a subprotocol that was not offered"
    if problem is not None:
        raise HandshakeFailed(
            f"the peer opened no WebSocket: {problem}",
            status=response.status_code,
            headers=answer,
        )
    return chosen


def _accept(key: str) -> str:
    # RFC 6455 section 4.2.2 prescribes SHA-1; it proves that a WebSocket answers, no secret
    digest = hashlib.sha1((key + _GUID).encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


class WebSocketClient:
    """An open WebSocket; made by `carapace.net.client.Egress.websocket`.

    Use it with `async with`, or call `close`. Messages come from `receive` or `async for`,
    which ends when the connection closes in order.

    Args:
        stream: The connection behind the handshake.
        subprotocol: See the attribute.
        limits: Bounds.
        release: Gives the connection back; called once.

    Attributes:
        subprotocol: What the peer chose of those offered, or None.
    """

    def __init__(
        self,
        stream: httpcore2.AsyncNetworkStream,
        *,
        subprotocol: str | None,
        limits: WebSocketLimits,
        release: Callable[[], Awaitable[None]],
    ) -> None:
        self.subprotocol = subprotocol
        self._stream = stream
        self._limits = limits
        self._release = release
        self._frames = FrameReader(limits.max_message_bytes)
        self._messages: deque[str | bytes] = deque()
        self._queued_chars = 0
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_ended = asyncio.Event()
        self._end: tuple[int, str] | None = None
        self._has_sent_close = False
        self._is_closing = False
        self._is_letting_go = False
        self._writing = asyncio.Lock()
        self._tasks = Tasks("websocket", _report)
        self._reader = self._tasks.start(self._run(), name="read")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def __aiter__(self) -> AsyncIterator[str | bytes]:
        try:
            while True:
                yield await self.receive()
        except WebSocketClosed as closed:
            if closed.code not in _ORDERLY:
                raise

    async def receive(self) -> str | bytes:
        """The next message, text or bytes; what came before the end is handed out first.

        Raises:
            WebSocketClosed: There is none and will be none.
        """
        while not self._messages:
            self._raise_if_ended()
            self._has_news.clear()
            await self._has_news.wait()
        message = self._messages.popleft()
        self._queued_chars -= len(message)
        self._has_room.set()
        return message

    async def send(self, message: str | bytes) -> None:
        """Send one message; concurrent callers take turns. If cancelled, the connection ends.

        Raises:
            WebSocketClosed: It ended, or the peer did not take the message in time.
        """
        if self._has_sent_close:
            self._raise_if_ended()
            raise WebSocketClosed(CloseCode.NORMAL, "closed by this side")
        await self._write(message_frame(message, os.urandom(4)))
        self._raise_if_ended()

    async def close(self, code: int = CloseCode.NORMAL, reason: str = "") -> None:
        """End the connection: say so, wait a moment for the answer, let go. May be repeated."""
        self._is_closing = True
        self._has_room.set()
        try:
            if self._end is None:
                await self._say_goodbye(code, reason)
                async with asyncio.timeout(self._limits.close_timeout_s):
                    await self._has_ended.wait()
        except TimeoutError:
            log.debug("websocket peer did not answer the close")
        finally:
            self._finish(code, reason)
            if not self._is_letting_go:
                self._reader.cancel()
            # A second cancellation would leave the socket open.
            await self._tasks.drain(self._limits.close_timeout_s)
            await self._tasks.close()
            await self._let_go()

    async def _run(self) -> None:
        """Read until the end, whatever it is, then give the connection back."""
        try:
            await self._read()
        except ProtocolViolation as violation:
            await self._say_goodbye(violation.code, str(violation))
            self._finish(violation.code, str(violation))
        except httpcore2.TimeoutException:
            self._finish(CloseCode.ABNORMAL, "the peer fell silent")
        except (httpcore2.NetworkError, ssl.SSLError) as error:
            self._finish(CloseCode.ABNORMAL, str(error) or "the peer hung up")
        finally:
            self._finish(CloseCode.ABNORMAL, "the connection was let go")
            await self._let_go()

    async def _let_go(self) -> None:
        """Give the connection back, once; the reader may have been stopped before it began."""
        if not self._is_letting_go:
            self._is_letting_go = True
            await self._release()

    async def _read(self) -> None:
        while data := await self._next_bytes():
            for event in self._frames.feed(data):
                await self._take(event)
                if self._end is not None:
                    return
        self._finish(CloseCode.ABNORMAL, "the peer hung up")

    async def _next_bytes(self) -> bytes:
        try:
            return await self._stream.read(_READ_BYTES, self._limits.ping_after_s)
        except httpcore2.ReadTimeout:
            await self._write(ping_frame(b"", os.urandom(4)))
            return await self._stream.read(_READ_BYTES, self._limits.pong_timeout_s)

    async def _take(self, event: Message | Ping | Pong | Close) -> None:
        if isinstance(event, Message):
            await self._queue(event.data)
        elif isinstance(event, Ping):
            if not self._has_sent_close:
                await self._write(pong_frame(event.payload, os.urandom(4)))
        elif isinstance(event, Close):
            await self._say_goodbye(
                CloseCode.NORMAL if event.code == CloseCode.NO_STATUS else event.code, ""
            )
            self._finish(event.code, event.reason)

    async def _queue(self, message: str | bytes) -> None:
        if self._is_closing:  # nobody will read it
            return
        self._messages.append(message)
        self._queued_chars += len(message)
        self._has_news.set()
        while not self._is_closing and (
            len(self._messages) >= self._limits.max_queued_messages
            or self._queued_chars > self._limits.max_message_bytes
        ):
            self._has_room.clear()
            await self._has_room.wait()

    async def _say_goodbye(self, code: int, reason: str) -> None:
        if not self._has_sent_close:
            self._has_sent_close = True
            await self._write(close_frame(code, reason, os.urandom(4)))

    async def _write(self, frame: bytes) -> None:
        """Send a whole frame, or end the connection: half a frame cannot be taken back."""
        async with self._writing:
            if self._end is not None:
                return
            try:
                await self._stream.write(frame, self._limits.send_timeout_s)
            except httpcore2.TimeoutException:
                self._abandon("the peer takes nothing more")
            except (httpcore2.NetworkError, ssl.SSLError) as error:
                self._abandon(str(error) or "the peer hung up")
            except asyncio.CancelledError:
                self._abandon("a send was cancelled half-way")
                raise

    def _abandon(self, reason: str) -> None:
        """End without a word, and wake the reader, who would wait for the peer."""
        self._finish(CloseCode.ABNORMAL, reason)
        if asyncio.current_task() is not self._reader and not self._is_letting_go:
            self._reader.cancel()

    def _finish(self, code: int, reason: str) -> None:
        """The first end is the one that counts."""
        if self._end is None:
            self._end = (code, reason)
            self._has_ended.set()
            self._has_news.set()
            self._has_room.set()

    def _raise_if_ended(self) -> None:
        if self._end is not None:
            raise WebSocketClosed(*self._end)


def _report(name: str, error: BaseException) -> None:
    log.error("websocket task failed", task=name, reason=f"{type(error).__name__}: {error}")
