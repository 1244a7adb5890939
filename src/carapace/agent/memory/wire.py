"""What the gateway and the process that embeds say to each other.

MessagePack over the child's standard input and output, each message after its length in four
bytes, big-endian: vectors are bytes, and JSON would double them. Both sides trust the other's
shape but not its size.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = [
    "HEADER_BYTES",
    "MAX_FRAME_BYTES",
    "Embed",
    "Fault",
    "Found",
    "FromWorker",
    "Nearest",
    "Ready",
    "ToWorker",
    "Vectors",
    "body_length",
    "decode_from_worker",
    "decode_to_worker",
    "encode",
]

HEADER_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 32 * 1024 * 1024
"""Longest message without its length: twice 20,000 vectors of 384 numbers."""


class Embed(msgspec.Struct, frozen=True, tag="embed"):
    """Make the vector of each text."""

    texts: tuple[str, ...]


class Nearest(msgspec.Struct, frozen=True, tag="nearest"):
    """Find the vectors nearest to a question; see `Embedder.nearest`."""

    question: str
    vectors: bytes
    limit: int


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The model is loaded."""

    load_ms: int


class Vectors(msgspec.Struct, frozen=True, tag="vectors"):
    """The answer to `Embed`: one after the other."""

    vectors: bytes


class Found(msgspec.Struct, frozen=True, tag="found"):
    """The answer to `Nearest`: position and cosine, nearest first."""

    hits: tuple[tuple[int, float], ...]


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """Something failed; the process goes on unless it could not load."""

    kind: Literal["missing", "load", "refused"]
    message: str


ToWorker = Embed | Nearest
FromWorker = Ready | Vectors | Found | Fault

_encoder = msgspec.msgpack.Encoder()
_to_worker = msgspec.msgpack.Decoder[ToWorker](ToWorker)
_from_worker = msgspec.msgpack.Decoder[FromWorker](FromWorker)


def encode(message: ToWorker | FromWorker) -> bytes:
    """The message with its length before it."""
    body = _encoder.encode(message)
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def body_length(header: bytes) -> int:
    """How many bytes follow.

    Raises:
        ValueError: If more than a message may have, or `header` is cut off.
    """
    length = int.from_bytes(header, "big")
    if len(header) != HEADER_BYTES or length > MAX_FRAME_BYTES:
        raise ValueError("not the length of a message")
    return length


def decode_to_worker(body: bytes) -> ToWorker:
    """The message of a body.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _to_worker.decode(body)


def decode_from_worker(body: bytes) -> FromWorker:
    """The message of a body.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _from_worker.decode(body)
