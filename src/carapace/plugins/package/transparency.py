"""The log of installations: what was ever done with plugins, as a hash chain of JSON lines. Pure.

Each line names the SHA-256 of the one before it, and the lock file vouches for the last. So no
line can be changed, taken away or put in, and an old lock file put back in place of a newer one
shows as well: the log would be ahead of it.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Final

import msgspec

from carapace.value import Value

__all__ = [
    "GENESIS",
    "BrokenLog",
    "Change",
    "Event",
    "LogLine",
    "head_of",
    "read_log",
    "write_line",
]

GENESIS: Final = "0" * 64


class BrokenLog(ValueError):  # noqa: N818 - it is the log that is broken
    """The chain does not hold; the message says where."""


class Event(StrEnum):
    """What was done."""

    STAGED = "staged"  # verified and kept; waits for consent
    INSTALLED = "installed"
    UPGRADED = "upgraded"
    ROLLED_BACK = "rolled-back"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


class Change(Value, frozen=True):
    """Who did something, and when.

    Attributes:
        by: For the log.
        at_ms: Wall time.
    """

    by: str
    at_ms: int


class LogLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that was done.

    Attributes:
        seq: From 1.
        at_ms: When.
        event: What.
        plugin: Its id.
        version: Which version of it.
        digest: Which package.
        publisher: Who signed it; None for an unsigned one.
        floor: The rollback floor that this version set, if any.
        by: Who asked for it.
        prev: SHA-256 of the line before.
    """

    seq: int
    at_ms: int
    event: Event
    plugin: str
    version: str
    digest: str
    publisher: str | None
    floor: str | None
    by: str
    prev: str


def write_line(line: LogLine) -> bytes:
    """The line as it stands in the file, without its newline."""
    return msgspec.json.encode(line)


def head_of(line: bytes) -> str:
    """What the next line calls this one."""
    return hashlib.sha256(line).hexdigest()


def read_log(data: bytes) -> tuple[list[LogLine], int]:
    """All lines of a log, and where the last whole one ends; what follows was torn by a crash.

    Raises:
        BrokenLog: If a line is not the one that was written there.
    """
    lines: list[LogLine] = []
    previous = GENESIS
    whole = data.rfind(b"\n") + 1
    for number, raw in enumerate(data[:whole].splitlines(), start=1):
        try:
            line = msgspec.json.decode(raw, type=LogLine)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise BrokenLog(f"line {number} is not readable") from error
        if line.seq != number or line.prev != previous or write_line(line) != raw:
            raise BrokenLog(f"line {number} does not follow on the line before it")
        lines.append(line)
        previous = head_of(raw)
    return lines, whole
