"""What the gateway and the child that reads say to each other: one job in, one reading out.

The job is JSON on the child's command line, the content its standard input, the answer JSON on
its standard output.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

__all__ = ["MAX_ANSWER_BYTES", "Job", "Reading", "Unreadable", "decode_answer", "encode"]

MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024


class Job(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to read.

    Attributes:
        kind: Which reader.
        max_chars: Longest text that is given back.
        max_pages: Of a document.
        language: Of speech; None finds out.
        charset: Of a page, as its server says.
        model_dir: Folder of a speech model, or None for what comes with its engine.
    """

    kind: Literal["pdf", "html", "speech"]
    max_chars: int
    max_pages: int = 1
    language: str | None = None
    charset: str | None = None
    model_dir: str | None = None


class Reading(msgspec.Struct, frozen=True, tag="reading", omit_defaults=True):
    """What it says.

    Attributes:
        text: May be empty.
        title: Of a page.
        n_pages: Of a document, all of them.
        is_cut: Whether there was more.
    """

    text: str
    title: str = ""
    n_pages: int = 0
    is_cut: bool = False


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """It cannot be read.

    Attributes:
        reason: A sentence's end for people: `it ...`.
        is_missing: What would read it is not installed.
    """

    reason: str
    is_missing: bool = False


_answer = msgspec.json.Decoder[Reading | Unreadable](Reading | Unreadable)


def encode(message: Job | Reading | Unreadable) -> bytes:
    """The message as JSON."""
    return msgspec.json.encode(message)


def decode_answer(data: bytes) -> Reading | Unreadable:
    """The child's answer.

    Raises:
        msgspec.DecodeError: If it is none.
    """
    return _answer.decode(data)
