"""One socket that speaks WebSocket: bytes in, messages out, and the other way.

After the upgrade the socket no longer belongs to aiohttp's HTTP protocol: this protocol takes
its place on the transport, with aiohttp's compiled frame reader. So an idle connection costs
no task, no request object and no timer, and a request that can be answered at once is
answered from inside `data_received`, without waking anybody.

The transport's own buffer is the send queue. It is bounded by whoever sends (`buffered`), and
while it is above its high-water mark nothing more is read or served, not even what was read
already: a client that does not take its answers cannot ask for more. One socket gives way to
the others after `_BATCH` messages, and after `_SLICE_BYTES` of frames to take apart: both small,
for a hundred sockets may have that many each.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, Protocol

from aiohttp import WSMsgType
from aiohttp.http import WebSocketReader

# The reader hands its messages to this class and to no other: it is compiled against it.
from aiohttp._websocket.reader import (  # isort: skip
    WebSocketDataQueue,
)

from carapace.server.turns import Turns
from carapace.server.ws_frames import OP_PONG, OP_TEXT, close_frame, frame_head

__all__ = ["Owner", "WsTransport"]

_BATCH: Final = 8
_SLICE_BYTES: Final = 16_384
_CLOSE_TIMEOUT_S: Final = 2.0
_JOIN_BELOW: Final = 4_096  # a megabyte costs 0.3 ms to copy
_NORMAL: Final = 1000
_PROTOCOL_ERROR: Final = 1002


class Owner(Protocol):
    """Who is told what arrives."""

    def received(self, message: bytes) -> None:
        """One whole text or binary message."""
        ...

    def lost(self) -> None:
        """The socket is gone; called once."""
        ...


class _Inbox(WebSocketDataQueue):
    """Takes what the reader has read. It must not raise: the reader could not pass that on."""

    def __init__(self, transport: WsTransport) -> None:
        super().__init__(transport, 0, loop=asyncio.get_running_loop())  # type: ignore[arg-type]
        self.messages: list[Any] = []

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ARG002 - the reader's signature
        self.messages.append(data)


class WsTransport(asyncio.Protocol):
    """The protocol of an upgraded socket.

    Args:
        transport: The socket, just upgraded.
        max_message_bytes: A longer message ends the connection with 1009.
        turns: Shared by all sockets: where one asks to go on after a batch.
    """

    __slots__ = (
        "_closing",
        "_inbox",
        "_is_behind",
        "_is_held",
        "_is_paused",
        "_owner",
        "_reader",
        "_stalled_since",
        "_timer",
        "_transport",
        "_turns",
        "_unread",
    )

    def __init__(self, transport: asyncio.Transport, max_message_bytes: int, turns: Turns) -> None:
        self._transport: asyncio.Transport | None = transport
        self._turns = turns
        self._owner: Owner | None = None
        self._inbox = _Inbox(self)
        self._reader: WebSocketReader | None = WebSocketReader(
            self._inbox, max_message_bytes, compress=False, decode_text=False
        )
        self._timer: asyncio.TimerHandle | None = None
        self._unread = b""
        self._closing = False
        self._is_held = False
        self._is_behind = False
        self._is_paused = False
        self._stalled_since = 0.0

    def start(self, owner: Owner, early: bytes) -> None:
        """Take over the socket; `early` is what came in behind the upgrade request."""
        self._owner = owner
        if self._transport is not None:
            self._transport.set_protocol(self)
        if early:
            self.data_received(early)

    @property
    def buffered(self) -> int:
        """Bytes that wait for the client."""
        return self._transport.get_write_buffer_size() if self._transport else 0

    @property
    def stalled_s(self) -> float:
        """Seconds since the client stopped taking what waits for it; 0.0 while it reads."""
        if not self._stalled_since:
            return 0.0
        return asyncio.get_running_loop().time() - self._stalled_since

    @property
    def is_open(self) -> bool:
        """Whether something can still be sent."""
        return self._transport is not None and not self._closing

    def send(self, payload: bytes) -> None:
        """Send one text message, or nothing if the socket is closing."""
        if self._transport is None or self._closing:
            return
        head = frame_head(OP_TEXT, len(payload))
        if len(payload) < _JOIN_BELOW:
            self._transport.write(head + payload)
        else:
            self._transport.writelines((head, payload))

    def send_parts(self, parts: bytes, tail: bytes) -> None:
        """Send one text message whose large first part is shared with other sockets."""
        if self._transport is None or self._closing:
            return
        head = frame_head(OP_TEXT, len(parts) + len(tail))
        if len(parts) < _JOIN_BELOW:
            self._transport.write(head + parts + tail)
        else:
            self._transport.writelines((head, parts, tail))

    def hold(self) -> None:
        """Deliver nothing until `release`, except that the client has left."""
        self._is_held = True
        self._settle_reading()

    def release(self) -> None:
        """Deliver again, beginning with what came meanwhile."""
        self._is_held = False
        self._go_on()
        self._settle_reading()

    def close(self, code: int, reason: str) -> None:
        """Say goodbye and wait a moment for the answer; what is waiting still goes out."""
        if self._transport is None or self._closing:
            return
        self._closing = True
        self._is_held = self._is_behind = False
        self._inbox.messages.clear()
        self._transport.write(close_frame(code, reason))
        self._go_on()
        self._settle_reading()
        self._timer = asyncio.get_running_loop().call_later(_CLOSE_TIMEOUT_S, self.abort)

    def abort(self) -> None:
        """Cut the socket, with whatever still waits."""
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls.

    def data_received(self, data: bytes) -> None:
        """Read frames, deliver messages."""
        if self._reader is None:
            return  # the stream is broken: bytes are taken until the other side stops
        if self._unread:
            self._unread += data
            return
        if len(data) > _SLICE_BYTES:
            data, self._unread = data[:_SLICE_BYTES], data[_SLICE_BYTES:]
        self._reader.feed_data(data)
        if not self._is_behind:
            self._work()

    def eof_received(self) -> None:
        """The client stopped sending: the socket closes when what waits is out."""

    def pause_writing(self) -> None:
        """The client is behind with reading: read no more from it."""
        self._stalled_since = asyncio.get_running_loop().time()
        self._settle_reading()

    def resume_writing(self) -> None:
        """The client caught up: serve what waited, then read on."""
        self._stalled_since = 0.0
        self._go_on()
        self._settle_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the loop's
        """Let go of everything; both sides' references end here."""
        self._transport = None
        self._reader = None
        self._unread = b""
        self._inbox.messages.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.lost()

    def _work(self) -> None:
        """Deliver up to a batch; the rest waits its turn behind the other sockets."""
        messages, count = self._inbox.messages, 0
        if self._unread and not messages and not self._waits() and self._reader is not None:
            part, self._unread = self._unread[:_SLICE_BYTES], self._unread[_SLICE_BYTES:]
            self._reader.feed_data(part)
        for message in messages:
            if count == _BATCH or (self._waits() and message.type is not WSMsgType.CLOSE):
                break
            count += 1
            self._deliver(message)
        del messages[:count]
        self._is_behind = bool(messages or self._unread) and not self._waits()
        if not messages:
            self._end_if_broken()
        if self._is_behind:
            self._turns.ask(self._work)
        self._settle_reading()

    def _go_on(self) -> None:
        """See soon to what waits, unless that is on its way or has to wait longer."""
        if (self._inbox.messages or self._unread) and not self._is_behind and not self._waits():
            self._is_behind = True
            self._turns.ask(self._work)

    def _waits(self) -> bool:
        """Whether messages have to stay: a connect is being judged, or answers pile up."""
        return self._is_held or (self._stalled_since > 0 and not self._closing)

    def _deliver(self, message: Any) -> None:
        kind = message.type
        if kind in (WSMsgType.TEXT, WSMsgType.BINARY):
            if not self._closing and self._owner is not None:
                self._owner.received(message.data)
        elif kind is WSMsgType.PING:
            if self._transport is not None and not self._closing:
                head = frame_head(OP_PONG, len(message.data))
                self._transport.write(head + bytes(message.data))
        elif kind is WSMsgType.CLOSE and self._transport is not None:
            if not self._closing:
                self._closing = True
                self._transport.write(close_frame(message.data or _NORMAL, ""))
            self._transport.close()

    def _end_if_broken(self) -> None:
        """Answer a violation of the framing (1002, 1007, 1009) once all before it is served."""
        error = self._inbox.exception()
        if error is None or self._reader is None or self._transport is None:
            return
        self._reader = None
        self._unread = b""
        self._is_behind = False
        self.close(getattr(error, "code", _PROTOCOL_ERROR), "")
        if self._transport.can_write_eof():
            # No frame can be read any more, the client's close neither: it shall hang up.
            self._transport.write_eof()

    def _settle_reading(self) -> None:
        """Read only while somebody takes what is read and the client takes what is sent."""
        has_some = bool(self._inbox.messages or self._unread)
        is_full = self._is_behind or (self._is_held and has_some)
        pause = not self._closing and (is_full or self._stalled_since > 0)
        if pause is self._is_paused or self._transport is None or self._transport.is_closing():
            return
        self._is_paused = pause
        if pause:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
