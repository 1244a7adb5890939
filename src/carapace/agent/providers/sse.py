"""Server-sent events from bytes: the framing three of four vendors stream in.

Pure and incremental: bytes in as they come, whole events out. Only what vendors use of the
format is read: `event` and `data` lines ended by LF or CRLF; comments, ids and retry hints
are passed over.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html section 9.2.6
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["MAX_EVENT_BYTES", "SseDecoder", "SseEvent", "SseTooLargeError"]

MAX_EVENT_BYTES = 8 * 1024 * 1024


class SseEvent(NamedTuple):
    """One event; `name` is empty where the stream gives none."""

    name: str
    data: bytes


class SseTooLargeError(Exception):
    """One event grew beyond `MAX_EVENT_BYTES`."""


class SseDecoder:
    """Cuts a byte stream into events. What follows the last blank line is never an event."""

    __slots__ = ("_data", "_name", "_rest", "_size")

    def __init__(self) -> None:
        self._rest = b""
        self._name = ""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that `chunk` completes, oldest first.

        Raises:
            SseTooLargeError: If an event is not over after `MAX_EVENT_BYTES`.
        """
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        found: list[SseEvent] = []
        for line in lines:
            self._line(line.removesuffix(b"\r"), found)
        if self._size + len(self._rest) > MAX_EVENT_BYTES:
            raise SseTooLargeError
        return found

    def _line(self, line: bytes, found: list[SseEvent]) -> None:
        if not line:
            if self._data:
                found.append(SseEvent(self._name, b"\n".join(self._data)))
            self._name, self._data, self._size = "", [], 0
            return
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            self._size += len(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")
