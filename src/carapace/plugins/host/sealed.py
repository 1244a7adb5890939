"""Bytes that nobody can change any more, behind a descriptor that a child can be given.

What is checked and what the child reads must be the same bytes, whoever may write to our
folders meanwhile. On Linux they lie in memory under seals that the kernel enforces; elsewhere
in a file that has lost its name.
"""

from __future__ import annotations

import hashlib
import hmac
import mmap
import os
import sys
import tempfile
from types import TracebackType
from typing import Any, Final, Self

__all__ = ["Artifact", "Draft", "authentic", "digest", "seal_file"]

_PIECE_BYTES: Final = 1 << 20
_MFD_NOEXEC_SEAL: Final = 0x8  # memfd_create(2): it can never become a program
_F_ADD_SEALS: Final = 1033  # fcntl(2); the names are new in Python 3.13
_F_SEAL_ALL: Final = 0x1 | 0x2 | 0x4 | 0x8  # against more seals, shrinking, growing, writing


class Artifact:
    """A descriptor of sealed bytes; close it, or use it as a context.

    Attributes:
        fd: Readable, at its begin.
        size_bytes: How many there are.
    """

    __slots__ = ("_fd", "size_bytes")

    def __init__(self, fd: int, size_bytes: int) -> None:
        self._fd = fd
        self.size_bytes = size_bytes

    @property
    def fd(self) -> int:
        """The descriptor."""
        if self._fd < 0:
            raise ValueError("the artifact is closed")
        return self._fd

    def close(self) -> None:
        """Let go; what a child was given stays with it."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __del__(self) -> None:
        self.close()  # made in a thread for somebody who was cancelled meanwhile

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Draft:
    """Bytes that are still being written, where nobody else finds them.

    End it with `seal` or `discard`.

    Raises:
        OSError: If the system has no place for it.
    """

    __slots__ = ("_fd", "size_bytes")

    def __init__(self) -> None:
        self._fd = _blank()
        self.size_bytes = 0

    def write(self, piece: bytes) -> None:
        """Append.

        Raises:
            OSError: If there is no room.
        """
        view = memoryview(piece)
        while view:
            view = view[os.write(self._fd, view) :]
        self.size_bytes += len(piece)

    def seal(self) -> Artifact:
        """Take away the right to write, and begin at the begin.

        Raises:
            OSError: If the system refuses; the draft is gone then.
        """
        try:
            os.lseek(self._fd, 0, os.SEEK_SET)
            if sys.platform == "linux":
                import fcntl  # noqa: PLC0415 - exists on POSIX only

                fcntl.fcntl(self._fd, _F_ADD_SEALS, _F_SEAL_ALL)
        except BaseException:
            self.discard()
            raise
        fd, self._fd = self._fd, -1
        return Artifact(fd, self.size_bytes)

    def discard(self) -> None:
        """Forget it, unless it was sealed."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def seal_file(source: int, *, offset: int = 0, max_bytes: int) -> Artifact:
    """A sealed copy of a file from `offset` to its end. Blocks.

    Raises:
        OSError: If it cannot be read or copied, or is longer than `max_bytes`.
    """
    draft = Draft()
    try:
        while piece := os.pread(source, _PIECE_BYTES, offset + draft.size_bytes):
            if draft.size_bytes + len(piece) > max_bytes:
                raise OSError(f"it is longer than {max_bytes} bytes")
            draft.write(piece)
        return draft.seal()
    finally:
        draft.discard()


def digest(artifact: Artifact) -> str:
    """SHA-256 of the sealed bytes, in hex. Blocks."""
    return _fed(hashlib.sha256(), artifact).hexdigest()


def authentic(artifact: Artifact, key: bytes, context: bytes) -> bytes:
    """HMAC-SHA256 of `context` and the sealed bytes. Blocks.

    Args:
        artifact: The bytes.
        key: 32 bytes.
        context: What else the mark vouches for, without a zero byte.
    """
    return _fed(hmac.new(key, context + b"\0", hashlib.sha256), artifact).digest()


def _fed(state: Any, artifact: Artifact) -> Any:
    if artifact.size_bytes:
        with mmap.mmap(artifact.fd, artifact.size_bytes, access=mmap.ACCESS_READ) as pages:
            state.update(pages)
    return state


def _blank() -> int:
    """An empty place without a name."""
    if sys.platform != "linux":
        return _nameless_file()
    flags = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
    try:
        return os.memfd_create("carapace-plugin", flags | _MFD_NOEXEC_SEAL)
    except OSError:  # a kernel before 6.3
        return os.memfd_create("carapace-plugin", flags)


def _nameless_file() -> int:
    fd, name = tempfile.mkstemp(prefix="carapace-plugin-")
    try:
        os.unlink(name)  # noqa: PTH108 - a name that only the system call needs
    except BaseException:
        os.close(fd)
        raise
    return fd
