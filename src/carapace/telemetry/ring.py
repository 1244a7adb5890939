"""The last log lines in memory, and `logs.tail` over them.

The ring counts bytes as if it were one endless file: a cursor stays good across rotation
and when the disk is full. After a restart it begins with what the file held, at the file's
own offsets, so a client's cursor usually survives that too.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

import msgspec

from carapace.protocol.logs import LogsTail

__all__ = ["LogTail", "Ring"]

DEFAULT_LIMIT: Final = 500
DEFAULT_MAX_BYTES: Final = 250_000
MAX_LIMIT: Final = 5000
MAX_BYTES: Final = 1_000_000


class Ring:
    """A bounded run of lines; the oldest fall out.

    Args:
        max_lines: At most so many lines.
        max_bytes: At most so many bytes, each line counted with its newline.
        start: Offset of the first byte to come.
    """

    __slots__ = ("_end", "_held", "_lines", "_lock", "_max_bytes", "_max_lines")

    def __init__(
        self, *, max_lines: int = MAX_LIMIT, max_bytes: int = MAX_BYTES, start: int = 0
    ) -> None:
        self._lines: deque[bytes] = deque()
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._held = 0
        self._end = start
        self._lock = threading.Lock()

    def append(self, line: bytes) -> None:
        """Take one line in, given without its newline."""
        with self._lock:
            self._lines.append(line)
            self._held += len(line) + 1
            self._end += len(line) + 1
            while len(self._lines) > self._max_lines or self._held > self._max_bytes:
                self._held -= len(self._lines.popleft()) + 1

    def since(self, offset: int) -> tuple[list[bytes], int, int]:
        """Lines that begin at or after `offset`; with the first held offset and the end."""
        with self._lock:
            begin = position = self._end - self._held
            if offset <= begin:
                return list(self._lines), begin, self._end
            out: list[bytes] = []
            for line in self._lines:
                if position >= offset:
                    out.append(line)
                position += len(line) + 1
            return out, begin, self._end


class LogTail:
    """Reads the ring as clients of the Node gateway expect to read its file.

    Args:
        ring: Where the lines are.
        file: Path shown to people; None if nothing is kept on disk.
    """

    __slots__ = ("_file", "_ring")

    def __init__(self, ring: Ring, file: str | None) -> None:
        self._ring = ring
        self._file = file or ""

    def tail(
        self,
        cursor: int | None = None,
        limit: int = DEFAULT_LIMIT,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> LogsTail:
        """What was logged after `cursor`, or the end of the log without one.

        Args:
            cursor: From an earlier answer; one from before the ring or beyond its end is
                answered from the end of the log, with `reset`.
            limit: At most so many lines, the newest (1 to 5000).
            max_bytes: At most so many bytes of log, the newest (1 to 1000000).
        """
        limit = min(max(limit, 1), MAX_LIMIT)
        max_bytes = min(max(max_bytes, 1), MAX_BYTES)
        _, begin, end = self._ring.since(1 << 62)
        start = max(begin, end - max_bytes)
        reset = cursor is not None and (cursor > end or cursor < start)
        if cursor is not None and not reset:
            start = cursor
        lines, _, end = self._ring.since(start)
        truncated = reset or (cursor is None and start > 0)
        return LogsTail(
            file=self._file,
            cursor=end,
            size=end,
            lines=[_as_clients_read(line) for line in lines[-limit:]],
            truncated=truncated or len(lines) > limit,
            reset=reset,
        )


def _as_clients_read(line: bytes) -> str:
    """Our line plus the fields in which stock clients look for time, level and text.

    They read `time`, `_meta.logLevelName`, `_meta.name` (a JSON text with `subsystem`) and
    the numbered fields.
    """
    try:
        entry: dict[str, object] = msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        return line.decode(errors="replace")
    name = msgspec.json.encode({"subsystem": str(entry.get("logger", ""))}).decode()
    extra = " ".join(
        f"{key}={value}" for key, value in entry.items() if key not in _OWN and key != "exception"
    )
    shown: dict[str, object] = {
        "0": name,
        "1": f"{entry.get('event', '')} {extra}".rstrip(),
        "_meta": {
            "runtime": "python",
            "name": name,
            "date": entry.get("time"),
            "logLevelName": _LEVELS.get(str(entry.get("level")), "INFO"),
        },
        **entry,
    }
    return msgspec.json.encode(shown).decode()


_OWN: Final = frozenset({"time", "level", "logger", "event"})
_LEVELS: Final = {
    "debug": "DEBUG",
    "info": "INFO",
    "warning": "WARN",
    "error": "ERROR",
    "critical": "FATAL",
}
