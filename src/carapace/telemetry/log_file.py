"""The log on disk: JSON lines, bounded by size and count, private to the user.

A write that fails (disk full, folder gone) is counted and forgotten: whoever logs must not
notice. The next good write says how many lines are missing.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

__all__ = ["LogFile"]


class LogFile:
    """Appends lines to `path`; full files become `path.1`, `path.2`, ...

    Args:
        path: The current file; its folder is made with mode 0700.
        max_bytes: Size at which a file is set aside.
        max_files: How many set aside ones are kept.
    """

    __slots__ = ("_fd", "_lock", "_lost", "_max_bytes", "_max_files", "_size", "path")

    def __init__(self, path: Path, *, max_bytes: int = 10_000_000, max_files: int = 5) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._lost = 0
        self._lock = threading.Lock()

    @property
    def lost(self) -> int:
        """Lines that could not be written since the last good one."""
        return self._lost

    @property
    def size(self) -> int:
        """Bytes in the current file, 0 if there is none."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def write(self, line: bytes) -> None:
        """Append `line` and a newline; never raises for what the disk does."""
        with self._lock:
            try:
                self._append(line)
            except OSError:
                self._lost += 1
                self._drop()

    def last_lines(self, max_bytes: int) -> list[bytes]:
        """Whole lines from the last `max_bytes` of the current file."""
        try:
            with self.path.open("rb") as file:
                start = max(0, file.seek(0, os.SEEK_END) - max_bytes)
                file.seek(start)
                data = file.read(max_bytes)
        except OSError:
            return []
        if start > 0:
            data = data.partition(b"\n")[2]
        return data.splitlines()

    def close(self) -> None:
        """Let go of the file; a later write opens it again."""
        with self._lock:
            self._drop()

    def _append(self, line: bytes) -> None:
        if self._fd < 0:
            self._open()
        if self._size and self._size + len(line) + 1 > self._max_bytes:
            self._rotate()
        if self._lost:
            line = b'{"level":"error","event":"log lines were lost","lines":%d}\n%b' % (
                self._lost,
                line,
            )
        data = line + b"\n"
        if os.write(self._fd, data) != len(data):
            raise OSError("short write")
        self._size += len(data)
        self._lost = 0

    def _open(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
        self._fd = os.open(self.path, flags, 0o600)
        os.fchmod(self._fd, 0o600)
        self._size = os.fstat(self._fd).st_size
        if self._size and os.pread(self._fd, 1, self._size - 1) != b"\n":
            self._size += os.write(self._fd, b"\n")

    def _rotate(self) -> None:
        self._drop()
        for number in range(self._max_files, 0, -1):
            older = self._numbered(number - 1)
            if older.exists():
                older.replace(self._numbered(number))
        if self._max_files == 0:
            self.path.unlink(missing_ok=True)
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path if number == 0 else self.path.with_name(f"{self.path.name}.{number}")

    def _drop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
