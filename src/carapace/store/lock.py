"""One gateway per state directory: an advisory lock on a file that names its holder.

The kernel lets go of the lock when the process dies, however it dies, so there is no stale
lock to clean up; the process id in the file is for people.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from carapace.store.errors import StateLocked, UnsafePath

if sys.platform == "win32":
    import msvcrt

    def _try_lock(handle: int) -> None:
        # Byte 1 MiB in, beyond the text: Windows locks keep others from reading.
        os.lseek(handle, 1 << 20, os.SEEK_SET)
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        os.lseek(handle, 0, os.SEEK_SET)
else:
    import fcntl

    def _try_lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["StateLock"]


class StateLock:
    """Holds the lock from construction to `release`.

    Raises:
        StateLocked: If another process (or another holder in this one) has it.
        UnsafePath: If the file or its directory cannot be made or opened.
    """

    __slots__ = ("_handle",)

    def __init__(self, path: Path) -> None:
        handle = _open(path)
        try:
            _try_lock(handle)
        except OSError as error:
            holder = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            raise StateLocked(_explain(path, holder)) from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        self._handle: int | None = handle

    def release(self) -> None:
        """Let go; the file stays, so that nobody can lock a name that is being removed."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None


def _open(path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, flags, 0o600)
    except OSError as error:
        raise UnsafePath(
            f"The state directory {path.parent} cannot be used ({error.strerror}). Make it "
            "writable for the user who runs the gateway, or choose another with --state-dir."
        ) from error


def _explain(path: Path, holder: str) -> str:
    who = f"process {holder}" if holder.isdigit() else "another process"
    return (
        f"The state directory {path.parent} is in use by {who}. Stop that gateway first, "
        "or give this one a directory of its own with --state-dir."
    )
