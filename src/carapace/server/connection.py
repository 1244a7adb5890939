"""The rules of one connection, without any I/O.

A connection is in one of four states:

    AWAITING_CONNECT --connect--> ADMITTING --admit()--> READY
            |                         |                    |
            +-------------------------+----- close() ------+--> CLOSED

Rules, and why they are as they are (protocol 3, section 2):

1. The first request is `connect`, and it comes once. Anything else before it ends the
   connection: a bad frame with 1008, something that is not JSON with 1000, another method
   with an answer and 1008. Nobody who has not been admitted learns more than that.
2. While a `connect` is being judged nothing else is read: the transport holds its bytes. A
   second `connect` in the same packet must not race the first.
3. After admission a malformed frame is answered and survived, something that is not JSON is
   ignored. Native clients rely on both.
4. An id that still waits for its answer cannot be used again: the client could not tell the
   two answers apart.
5. So many requests may be in flight; the next one is refused as retryable. Requests that are
   answered at once never count.
6. After CLOSED nothing is decided and nothing may be sent.

`receive` says what to do with a message; the caller does it. Time, sockets and tasks are its
business, so every rule is tested with lists of byte strings.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from carapace.protocol.errors import ErrorCode, ErrorShape
from carapace.protocol.frames import BadFrame, NotJson, Request, decode_frame, encode_error
from carapace.value import Value

__all__ = [
    "BAD_FRAME_REASON",
    "Close",
    "Connection",
    "Handshake",
    "Reply",
    "State",
    "Step",
]

BAD_FRAME_REASON: Final = "invalid request frame"
_NOT_CONNECT: Final = "invalid handshake: first request must be connect"
_CONNECT_AGAIN: Final = "connect is only valid as the first request"
_RETRY_AFTER_MS: Final = 250
_POLICY: Final = 1008
_NORMAL: Final = 1000


class State(Enum):
    """Where a connection stands."""

    AWAITING_CONNECT = auto()
    ADMITTING = auto()
    READY = auto()
    CLOSED = auto()


class Handshake(Value, frozen=True):
    """Judge this `connect`, then call `admit` or `close`."""

    request: Request


class Reply(Value, frozen=True):
    """Send these bytes; nothing else happens."""

    frame: bytes


class Close(Value, frozen=True):
    """Send `reply` if there is one, then close.

    Attributes:
        code: RFC 6455, section 7.4.
        reason: At most 123 bytes.
        cause: A fixed word for metrics.
        reply: A last response.
    """

    code: int
    reason: str
    cause: str
    reply: bytes | None = None


Step = Request | Handshake | Reply | Close | None
"""A `Request` is to be dispatched; None means that the message is ignored."""


class Connection:
    """The state machine.

    Args:
        max_in_flight: Requests that may wait for their answers at once.
    """

    __slots__ = ("_in_flight", "_max_in_flight", "state")

    def __init__(self, max_in_flight: int) -> None:
        self._max_in_flight = max_in_flight
        self._in_flight: set[str] | None = None
        self.state = State.AWAITING_CONNECT

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answers."""
        return len(self._in_flight) if self._in_flight else 0

    def receive(self, message: bytes | str) -> Step:
        """What to do with one message.

        Raises:
            RuntimeError: While ADMITTING; the caller has to hold its bytes then.
        """
        if self.state is State.READY:
            return self._ready(decode_frame(message))
        if self.state is State.CLOSED:
            return None
        if self.state is State.ADMITTING:
            raise RuntimeError("a message was read while connect was being judged")
        return self._first(decode_frame(message))

    def admit(self) -> None:
        """The `connect` was found good."""
        if self.state is State.ADMITTING:
            self.state = State.READY

    def close(self) -> None:
        """Nothing is received or answered from here on."""
        self.state = State.CLOSED
        self._in_flight = None

    def begin(self, request_id: str) -> None:
        """`request_id` will be answered later."""
        if self._in_flight is None:
            self._in_flight = set()
        self._in_flight.add(request_id)

    def finish(self, request_id: str) -> bool:
        """`request_id` is answered now; False if nobody is there to hear it."""
        if self._in_flight:
            self._in_flight.discard(request_id)
        return self.state is State.READY

    def _first(self, frame: Request | BadFrame | NotJson) -> Step:
        if isinstance(frame, NotJson):
            return Close(_NORMAL, "", "not-json")
        if isinstance(frame, BadFrame):
            return Close(_POLICY, BAD_FRAME_REASON, "bad-frame")
        if frame.method != "connect":
            return Close(_POLICY, _NOT_CONNECT, "not-connect", _refused(frame.id, _NOT_CONNECT))
        self.state = State.ADMITTING
        return Handshake(frame)

    def _ready(self, frame: Request | BadFrame | NotJson) -> Step:
        if not isinstance(frame, Request):
            if isinstance(frame, BadFrame):
                return Reply(_refused(frame.id, frame.message))
            return None
        if frame.method == "connect":
            return Reply(_refused(frame.id, _CONNECT_AGAIN))
        if self._in_flight:
            return self._among_others(frame)
        return frame

    def _among_others(self, request: Request) -> Step:
        waiting = self._in_flight or ()
        if request.id in waiting:
            text = "this id still waits for its answer: use a fresh id for every request"
            return Reply(_refused(request.id, text))
        if len(waiting) >= self._max_in_flight:
            busy = ErrorShape(
                code=ErrorCode.UNAVAILABLE,
                message=(
                    f"{len(waiting)} requests of this connection are still running, "
                    "which is the most allowed: wait for one of them"
                ),
                retryable=True,
                retry_after_ms=_RETRY_AFTER_MS,
            )
            return Reply(encode_error(request.id, busy))
        return request


def _refused(request_id: object, message: str) -> bytes:
    return encode_error(request_id, ErrorShape(code=ErrorCode.INVALID_REQUEST, message=message))
