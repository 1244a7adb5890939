"""What a command writes: its beginning and its end are kept, the middle is counted. Pure."""

from __future__ import annotations

from collections import deque

__all__ = ["Output"]


class Output:
    """One stream, within `max_bytes`, however much comes.

    Args:
        max_bytes: Half of it for the beginning, half for the end.
    """

    __slots__ = ("_half", "_head", "_tail", "_tail_bytes", "total_bytes")

    def __init__(self, max_bytes: int) -> None:
        self._half = max_bytes // 2
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_bytes = 0
        self.total_bytes = 0

    def add(self, piece: bytes) -> None:
        """Take what came."""
        self.total_bytes += len(piece)
        room = self._half - len(self._head)
        if room > 0:
            self._head += piece[:room]
            piece = piece[room:]
        if not piece:
            return
        self._tail.append(piece[-self._half :])
        self._tail_bytes += len(self._tail[-1])
        while self._tail_bytes - len(self._tail[0]) >= self._half:
            self._tail_bytes -= len(self._tail.popleft())

    @property
    def text(self) -> str:
        """What is kept, with a note where something is missing."""
        tail = b"".join(self._tail)[-self._half :]
        left_out = self.total_bytes - len(self._head) - len(tail)
        if left_out <= 0:
            return (bytes(self._head) + tail).decode(errors="replace")
        head, end = self._head.decode(errors="replace"), tail.decode(errors="replace")
        return f"{head}\n[{left_out} bytes left out]\n{end}"
