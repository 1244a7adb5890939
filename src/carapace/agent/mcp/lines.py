"""Lines of a stream within bounds: no line, and no flood of them, may fill our memory."""

from __future__ import annotations

from asyncio import StreamReader
from typing import Final

from carapace.errors import Failed

__all__ = ["MAX_LINE_BYTES", "MAX_UNASKED_BYTES", "MAX_UNASKED_LINES", "Lines"]

MAX_LINE_BYTES: Final = 8 << 20
MAX_UNASKED_LINES: Final = 10_000
"""Between two of our own messages; progress and news are no floods."""

MAX_UNASKED_BYTES: Final = 64 << 20
_PIECE_BYTES: Final = 65_536


class Lines:
    """Reads what a program writes.

    Args:
        stream: Its output.
    """

    def __init__(self, stream: StreamReader) -> None:
        self._stream = stream
        self._buffer = bytearray()
        self._looked_at = 0
        self._unasked_lines = 0
        self._unasked_bytes = 0

    def asked(self) -> None:
        """We said something, so it may answer at length."""
        self._unasked_lines = self._unasked_bytes = 0

    async def next(self) -> bytes | None:
        """The next line without its end; None after the last.

        Raises:
            Failed: If the line is too long, or too much came that nobody asked for.
        """
        while True:
            end = self._buffer.find(b"\n", self._looked_at)
            if end >= 0:
                return self._taken(end)
            self._looked_at = len(self._buffer)
            if self._looked_at > MAX_LINE_BYTES:
                raise Failed(f"it wrote a message of more than {MAX_LINE_BYTES} bytes")
            piece = await self._stream.read(_PIECE_BYTES)
            if not piece:
                return None
            self._buffer += piece

    def _taken(self, end: int) -> bytes:
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        self._looked_at = 0
        self._unasked_lines += 1
        self._unasked_bytes += len(line)
        if self._unasked_lines > MAX_UNASKED_LINES or self._unasked_bytes > MAX_UNASKED_BYTES:
            raise Failed("it never stopped writing what nobody asked for")
        return line
