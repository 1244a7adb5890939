"""A small blocking WebSocket client (RFC 6455): what a command line needs and no more.

The gateway's own library costs a command 0.2 s to import; this costs nothing. It speaks
text, answers pings, joins fragments, and refuses what the RFC says must be refused. No
extensions are offered, so none may be used.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from carapace.cli.plaintext import may_be_plain

__all__ = ["Closed", "TooFar", "WebSocket", "WebSocketError"]

_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MAX_HEAD_BYTES: Final = 16_384
_MAX_MESSAGE_BYTES: Final = 64_000_000
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10
_SHORT, _WORD = 125, 65_535
_NO_STATUS: Final = 1005


class WebSocketError(Exception):
    """The peer is not there, or does not speak WebSocket."""


class TooFar(WebSocketError):  # noqa: N818 - an outcome that is told, not a defect
    """The peer may only be spoken to with TLS; nothing was sent to it."""


class Closed(WebSocketError):  # noqa: N818 - an end, not a defect
    """The connection ended.

    Attributes:
        code: The close code; 1006 if the peer vanished.
        reason: What the peer said.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"closed with {code}{f': {reason}' if reason else ''}")
        self.code = code
        self.reason = reason


class WebSocket:
    """An open connection; made by `connect`. Not safe to share between threads."""

    __slots__ = ("_buffer", "_is_closing", "_socket")

    def __init__(self, connection: socket.socket, rest: bytes = b"") -> None:
        self._socket = connection
        self._buffer = bytearray(rest)
        self._is_closing = False

    @classmethod
    def connect(
        cls, url: str, *, timeout_s: float, plain_to: Callable[[str], bool] = may_be_plain
    ) -> WebSocket:
        """Open `url` (ws or wss).

        Args:
            url: The address.
            timeout_s: For connecting and the opening handshake.
            plain_to: Whether a peer's numeric address may be spoken to without TLS. It is
                asked about the address that was really reached, before a byte is sent.

        Raises:
            TooFar: If the peer is too far away for ws.
            WebSocketError: If nobody listens, the answer is no upgrade, or time runs out.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"ws", "wss"} or not parts.hostname:
            raise WebSocketError(f"not a WebSocket address: {url}")
        port = parts.port or (443 if parts.scheme == "wss" else 80)
        try:
            connection = socket.create_connection((parts.hostname, port), timeout=timeout_s)
            if parts.scheme == "ws" and not plain_to(connection.getpeername()[0]):
                connection.close()
                raise TooFar(f"{parts.hostname} is outside this machine and private networks")
            if parts.scheme == "wss":
                context = ssl.create_default_context()
                connection = context.wrap_socket(connection, server_hostname=parts.hostname)
        except OSError as error:
            raise WebSocketError(error.strerror or str(error) or "no answer") from error
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        try:
            rest = _upgrade(connection, f"{host}:{port}", target)
        except OSError as error:
            connection.close()
            raise WebSocketError(str(error) or "no answer") from error
        except WebSocketError:
            connection.close()
            raise
        return cls(connection, rest)

    def send(self, text: str) -> None:
        """Send one text message.

        Raises:
            Closed: If the connection is gone.
        """
        self._send(_TEXT, text.encode())

    def receive(self, timeout_s: float | None) -> str:
        """The next message; waits at most `timeout_s` seconds (None: for as long as it takes).

        Raises:
            TimeoutError: Nothing came; the connection is as before.
            Closed: The connection is gone.
            WebSocketError: The peer broke the protocol.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        message = bytearray()
        while True:
            is_final, opcode, payload = self._frame(deadline)
            if opcode == _CLOSE:
                self._answer_close(payload)
            elif opcode == _PING:
                self._send(_PONG, payload)
            elif opcode in {0, _TEXT, _BINARY}:
                message += payload
                if len(message) > _MAX_MESSAGE_BYTES:
                    raise WebSocketError("the message is too long")
                if is_final:
                    return message.decode(errors="replace")

    def close(self) -> None:
        """Say goodbye and let go; never raises."""
        if not self._is_closing:
            self._is_closing = True
            with contextlib.suppress(WebSocketError):  # gone already is what we want
                self._send(_CLOSE, struct.pack("!H", 1000))
        self._socket.close()

    def _send(self, opcode: int, payload: bytes) -> None:
        size = len(payload)
        if size <= _SHORT:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size <= _WORD:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        mask = os.urandom(4)
        try:
            self._socket.settimeout(30)
            self._socket.sendall(head + mask + _masked(payload, mask))
        except OSError as error:
            raise Closed(1006, str(error)) from error

    def _frame(self, deadline: float | None) -> tuple[bool, int, bytes]:
        """One whole frame; what has arrived of it stays buffered if time runs out."""
        self._need(2, deadline)
        first, second = self._buffer[0], self._buffer[1]
        if first & 0x70 or second & 0x80:
            raise WebSocketError("the peer broke the protocol")
        size, start = second & 0x7F, 2
        if size > _SHORT:
            start = 4 if size == 126 else 10  # noqa: PLR2004 - RFC 6455 section 5.2
            self._need(start, deadline)
            size = int.from_bytes(self._buffer[2:start], "big")
        if size > _MAX_MESSAGE_BYTES:
            raise WebSocketError("the message is too long")
        self._need(start + size, deadline)
        payload = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return bool(first & 0x80), first & 0x0F, payload

    def _need(self, size: int, deadline: float | None) -> None:
        while len(self._buffer) < size:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise TimeoutError
            try:
                self._socket.settimeout(left)
                data = self._socket.recv(65_536)
            except TimeoutError:
                raise
            except OSError as error:
                raise Closed(1006, str(error)) from error
            if not data:
                raise Closed(1006, "the gateway went away")
            self._buffer += data

    def _answer_close(self, payload: bytes) -> None:
        code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else _NO_STATUS
        if not self._is_closing:
            self._is_closing = True
            self._send(_CLOSE, payload[:2])
        self._socket.close()
        raise Closed(code, payload[2:].decode(errors="replace"))


def _masked(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one big number: fast without a loop."""
    size = len(payload)
    pattern = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")


def _upgrade(connection: socket.socket, host: str, target: str) -> bytes:
    """The opening handshake (RFC 6455 section 4.1); bytes that came after the answer's head."""
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(
        f"GET {target} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode("ascii")
    )
    head = bytearray()
    while b"\r\n\r\n" not in head:
        data = connection.recv(4096)
        if not data or len(head) > _MAX_HEAD_BYTES:
            raise WebSocketError("what answers there is not a gateway")
        head += data
    text, _, rest = bytes(head).partition(b"\r\n\r\n")
    status, *lines = text.decode("latin-1").split("\r\n")
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(":") for line in lines)
    }
    if " 101 " not in f"{status} ":
        raise WebSocketError(f"the upgrade was refused: {status.partition(' ')[2] or status}")
    accept = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()  # noqa: S324 - the RFC's own construction, no secret
    if fields.get("sec-websocket-accept") != accept:
        raise WebSocketError("what answers there is not a WebSocket server")
    return rest
