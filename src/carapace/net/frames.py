"""WebSocket frames as a client reads and writes them. Pure: bytes in, messages out.

No extensions are offered, so none may be used. A message beyond its cap is refused by the
length that its frame announces, before its bytes are kept.

Source: RFC 6455 sections 5 to 7.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from carapace.value import Value

__all__ = [
    "Close",
    "CloseCode",
    "FrameReader",
    "Message",
    "Ping",
    "Pong",
    "ProtocolViolation",
    "close_frame",
    "message_frame",
    "ping_frame",
    "pong_frame",
]

_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_FINAL, _RESERVED, _OPCODE, _MASKED, _LENGTH = 0x80, 0x70, 0x0F, 0x80, 0x7F
_SHORT: Final = 125  # the longest length in one byte, and the longest control frame
_WORD, _LONG = 126, 127
_MAX_REASON_BYTES: Final = _SHORT - 2


class CloseCode:
    """Close codes of RFC 6455 section 7.4.1 that the client sends or reports."""

    NORMAL: Final = 1000
    GOING_AWAY: Final = 1001
    PROTOCOL_ERROR: Final = 1002
    NO_STATUS: Final = 1005
    ABNORMAL: Final = 1006
    INVALID_TEXT: Final = 1007
    TOO_BIG: Final = 1009


# May stand in a frame (RFC 6455 section 7.4, and the IANA registry for 1012 to 1014).
_SENDABLE: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
_PRIVATE: Final = range(3000, 5000)


class ProtocolViolation(Exception):  # noqa: N818 - it is the peer that violates
    """The peer broke the protocol or a cap; the connection must end.

    Attributes:
        code: Close code to end with.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Message(Value, frozen=True):
    """A whole message: text or bytes."""

    data: str | bytes


class Ping(Value, frozen=True):
    """To be answered with the same payload."""

    payload: bytes


class Pong(Value, frozen=True):
    """An answer to a ping, or a sign of life."""

    payload: bytes


class Close(Value, frozen=True):
    """The peer ends the connection; `code` is 1005 if it gave none."""

    code: int
    reason: str


class _Head(Value, frozen=True):
    """The front of a frame."""

    is_final: bool
    opcode: int
    n_bytes: int
    n_head_bytes: int

    @property
    def is_control(self) -> bool:
        return self.opcode >= _CLOSE


class FrameReader:
    """Turns what a server sends into messages.

    Args:
        max_message_bytes: Cap of one message over all its fragments.
    """

    __slots__ = ("_buffer", "_max_bytes", "_parts", "_parts_opcode")

    def __init__(self, max_message_bytes: int) -> None:
        self._max_bytes = max_message_bytes
        self._buffer = bytearray()
        self._parts = (
            bytearray()
        )  # no list: a million fragments of a byte would be a million objects
        self._parts_opcode = _CONTINUATION

    def feed(self, data: bytes) -> Iterator[Message | Ping | Pong | Close]:
        """What `data` completes.

        Raises:
            ProtocolViolation: The peer broke a rule; feed nothing more.
        """
        self._buffer += data
        while (head := _head(self._buffer)) is not None:
            self._check(head)
            end = head.n_head_bytes + head.n_bytes
            if len(self._buffer) < end:
                return
            payload = bytes(self._buffer[head.n_head_bytes : end])
            del self._buffer[:end]
            if head.is_control:
                yield _control(head.opcode, payload)
            elif (message := self._fragment(head, payload)) is not None:
                yield message

    def _check(self, head: _Head) -> None:
        if head.is_control:
            if not head.is_final or head.n_bytes > _SHORT:
                raise _broken("a control frame is fragmented or too long")
            return
        if (head.opcode == _CONTINUATION) is (self._parts_opcode == _CONTINUATION):
            raise _broken("a fragment is out of order")
        if len(self._parts) + head.n_bytes > self._max_bytes:
            raise ProtocolViolation(
                CloseCode.TOO_BIG, f"the message is larger than {self._max_bytes} bytes"
            )

    def _fragment(self, head: _Head, payload: bytes) -> Message | None:
        if head.opcode != _CONTINUATION:
            self._parts_opcode = head.opcode
        self._parts += payload
        if not head.is_final:
            return None
        data, opcode = bytes(self._parts), self._parts_opcode
        self._parts.clear()
        self._parts_opcode = _CONTINUATION
        return Message(_text(data) if opcode == _TEXT else data)


def _head(buffer: bytearray) -> _Head | None:
    """The front of the next frame, or None while some of it is missing."""
    if len(buffer) < 2:  # noqa: PLR2004 - the fixed part
        return None
    first, second = buffer[0], buffer[1]
    if first & _RESERVED:
        raise _broken("a reserved bit is set")
    if second & _MASKED:
        raise _broken("a server's frame is masked")
    if first & _OPCODE not in {_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG}:
        raise _broken("a frame of an unknown kind")
    length = second & _LENGTH
    extra = {_WORD: 2, _LONG: 8}.get(length, 0)
    if len(buffer) < 2 + extra:
        return None
    if extra:
        length = int.from_bytes(buffer[2 : 2 + extra], "big")
        if length <= _SHORT or (extra == 8 and length < 1 << 16):  # noqa: PLR2004
            raise _broken("a length is not written in its shortest form")
    return _Head(bool(first & _FINAL), first & _OPCODE, length, 2 + extra)


def _control(opcode: int, payload: bytes) -> Ping | Pong | Close:
    if opcode == _PING:
        return Ping(payload)
    if opcode == _PONG:
        return Pong(payload)
    if not payload:
        return Close(CloseCode.NO_STATUS, "")
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or not (code in _SENDABLE or code in _PRIVATE):
        raise _broken("a close frame carries no valid code")
    return Close(code, _text(payload[2:]))


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProtocolViolation(CloseCode.INVALID_TEXT, "a text is not UTF-8") from None


def _broken(message: str) -> ProtocolViolation:
    return ProtocolViolation(CloseCode.PROTOCOL_ERROR, message)


def message_frame(data: str | bytes, mask: bytes) -> bytes:
    """A whole message as one frame.

    Args:
        data: The text or the bytes.
        mask: Four fresh random bytes (RFC 6455 section 5.3).
    """
    if isinstance(data, str):
        return _frame(_TEXT, data.encode("utf-8"), mask)
    return _frame(_BINARY, data, mask)


def ping_frame(payload: bytes, mask: bytes) -> bytes:
    """A ping of at most 125 bytes."""
    return _frame(_PING, payload, mask)


def pong_frame(payload: bytes, mask: bytes) -> bytes:
    """The answer to a ping."""
    return _frame(_PONG, payload, mask)


def close_frame(code: int, reason: str, mask: bytes) -> bytes:
    """A close; a reason beyond 123 bytes is cut between characters."""
    cut = reason.encode("utf-8")[:_MAX_REASON_BYTES].decode("utf-8", "ignore")
    return _frame(_CLOSE, code.to_bytes(2, "big") + cut.encode("utf-8"), mask)


def _frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    head = bytearray([_FINAL | opcode])
    if size <= _SHORT:
        head.append(_MASKED | size)
    elif size < 1 << 16:
        head.append(_MASKED | _WORD)
        head += size.to_bytes(2, "big")
    else:
        head.append(_MASKED | _LONG)
        head += size.to_bytes(8, "big")
    return bytes(head) + mask + _masked(payload, mask)


def _masked(payload: bytes, mask: bytes) -> bytes:
    """Whole numbers are the quickest way to xor in Python."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")
