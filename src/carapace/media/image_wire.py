"""What the gateway and the process that decodes pictures say to each other.

The job is an argument of the command; the picture is its standard input. The answer is one
line of JSON on standard output, followed by the bytes of the new picture if there is one.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = [
    "MAX_CPU_S",
    "MAX_LINE_BYTES",
    "MAX_MEMORY_BYTES",
    "MAX_PIXELS",
    "Fault",
    "FromWorker",
    "Job",
    "Rendered",
    "decode_answer",
    "decode_job",
    "encode",
]

MAX_PIXELS: Final = 64_000_000
"""More than that is refused from the header; a phone's largest photographs have 50 million."""
MAX_MEMORY_BYTES: Final = 1_280 * 1024 * 1024
MAX_CPU_S: Final = 20
MAX_LINE_BYTES: Final = 4096


class Job(msgspec.Struct, frozen=True):
    """What to make.

    Attributes:
        format: Name of the one decoder that may look at it.
        size_bytes: Length of the input.
        max_edge_px: Longest side of the result; smaller pictures stay as they are.
        max_bytes: Longest result; the picture shrinks until it fits.
    """

    format: str
    size_bytes: int
    max_edge_px: int
    max_bytes: int


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The new picture; its bytes follow the line."""

    content_type: str
    width_px: int
    height_px: int
    size_bytes: int


class Fault(msgspec.Struct, frozen=True, tag="fault"):
    """There is none."""

    kind: Literal["missing", "refused", "broken"]
    message: str


FromWorker = Rendered | Fault

_ENCODE: Final = msgspec.json.Encoder().encode
_JOB: Final = msgspec.json.Decoder(Job)
_ANSWER: Final[msgspec.json.Decoder[FromWorker]] = msgspec.json.Decoder(FromWorker)


def encode(message: Job | FromWorker) -> bytes:
    """As one line, without its end."""
    return _ENCODE(message)


def decode_job(text: str) -> Job:
    """The job.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _JOB.decode(text)


def decode_answer(line: bytes) -> FromWorker:
    """The answer.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _ANSWER.decode(line)
