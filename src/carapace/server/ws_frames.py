"""The bytes of an outgoing WebSocket frame (RFC 6455, section 5.2) and of the upgrade (4.2.2).

A server's frames are never masked, and ours are never fragmented or compressed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

__all__ = [
    "MAX_REASON_BYTES",
    "OP_CLOSE",
    "OP_PONG",
    "OP_TEXT",
    "accept_key",
    "close_frame",
    "frame_head",
    "switching_protocols",
]

OP_TEXT: Final = 0x1
OP_CLOSE: Final = 0x8
OP_PONG: Final = 0xA
MAX_REASON_BYTES: Final = 123
_FIN: Final = 0x80
_SHORT: Final = 126
_LONG: Final = 65_536
_NONCE_BYTES: Final = 16
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_HEADS: Final = tuple(bytes((_FIN | OP_TEXT, length)) for length in range(_SHORT))


def frame_head(opcode: int, length: int) -> bytes:
    """What stands before a payload of `length` bytes."""
    if length < _SHORT:
        return _HEADS[length] if opcode == OP_TEXT else bytes((_FIN | opcode, length))
    if length < _LONG:
        return bytes((_FIN | opcode, 126)) + length.to_bytes(2, "big")
    return bytes((_FIN | opcode, 127)) + length.to_bytes(8, "big")


def close_frame(code: int, reason: str) -> bytes:
    """A close frame; a reason that is too long is cut at a character's edge."""
    text = reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore").encode()
    payload = code.to_bytes(2, "big") + text
    return frame_head(OP_CLOSE, len(payload)) + payload


def accept_key(key: str) -> bytes | None:
    """The answer to `Sec-WebSocket-Key`, or None if it is not 16 bytes in base64."""
    try:
        nonce = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(nonce) != _NONCE_BYTES:
        return None
    # SHA-1 is what the RFC says; it guards against confused servers, not against attackers.
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    return base64.b64encode(digest)


def switching_protocols(accept: bytes) -> bytes:
    """The head of the 101 response."""
    return (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"Upgrade: websocket\r\n"
        b"Connection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: %b\r\n\r\n" % accept
    )
