"""The media folder: what it looks like on the disk, and the only code that opens a file in it.

    media/ab/m-ab...   a file, readable by us alone; its shard is the first two digits of its id
    media/new/m-...    one that is still being written

Every name is made here from random digits. Folders are held open and everything is opened
relative to them without following links, so there is no path between a check and its use that
anybody could swap (advisories F14, F15, F20, F21). All of this blocks: call it from a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from carapace.errors import Failed
from carapace.media.paths import ID_PATTERN

__all__ = ["MediaFiles", "NewFile", "OpenFile", "disk_failure"]

_NEW: Final = "new"
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS: Final = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def disk_failure(error: OSError) -> Failed:
    """What a person is told when the disk did not take a file."""
    if error.errno in _FULL:
        return Failed(
            "the disk of the media folder is full, so the file was not stored: free space or "
            "lower media.maxTotalMb, then send it again",
            retryable=True,
        )
    return Failed(
        f"the file was not stored ({error.strerror}): check the disk and the rights of the media "
        "folder, then send it again",
        retryable=True,
    )


class OpenFile:
    """A file to read from. Made by `MediaFiles.open`.

    A reader may be cancelled while a thread still reads for it, so closing waits for that.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """The descriptor, for a child process to inherit."""
        return self._fd

    def read(self, offset: int, n_bytes: int) -> bytes:
        """At most `n_bytes` from there.

        Raises:
            OSError: If the disk fails, or the file is closed.
        """
        with self._lock:
            return os.pread(self._fd, n_bytes, offset)

    def close(self) -> None:
        """Let go of it; twice is fine."""
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1


class NewFile:
    """A file that nobody sees yet: write, then `keep` or `discard`. Made by `MediaFiles.new`.

    Its writer may be cancelled while a thread still writes for it, so each step waits for the
    one before.

    Attributes:
        media_id: The id it will have.
        size_bytes: Written so far.
    """

    def __init__(self, media_id: str, fd: int, root_fd: int, new_fd: int) -> None:
        self.media_id = media_id
        self.size_bytes = 0
        self._fd = fd
        self._root_fd = root_fd
        self._new_fd = new_fd
        self._lock = threading.Lock()

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append `data`.

        Raises:
            OSError: If the disk does not take all of it.
        """
        rest = memoryview(data)
        with self._lock:
            while rest:
                written = os.write(self._fd, rest)
                self.size_bytes += written
                rest = rest[written:]

    def read(self, offset: int, n_bytes: int) -> bytes:
        """What was written there."""
        with self._lock:
            return os.pread(self._fd, n_bytes, offset)

    def keep(self) -> None:
        """Make it last: after this a power cut cannot undo or halve it.

        Raises:
            OSError: If the disk refuses; `discard` is still needed then.
        """
        name = self.media_id
        with self._lock:
            os.fsync(self._fd)
            shard_fd = _open_shard(self._root_fd, name, make=True)
            try:
                os.rename(name, name, src_dir_fd=self._new_fd, dst_dir_fd=shard_fd)
                os.fsync(shard_fd)
            finally:
                os.close(shard_fd)
            self._close()

    def discard(self) -> None:
        """Leave nothing behind, even if `keep` got half-way or further."""
        with self._lock:
            self._close()
            with suppress(FileNotFoundError):
                os.unlink(self.media_id, dir_fd=self._new_fd)
        with suppress(FileNotFoundError):
            _unlink(self._root_fd, self.media_id)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class MediaFiles:
    """The open folder.

    Args:
        root: Made if missing, closed to everybody else either way.

    Raises:
        Failed: If it is no folder of ours.
    """

    def __init__(self, root: Path) -> None:
        root.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with suppress(FileExistsError):
                root.mkdir(mode=0o700)
            self._root_fd = os.open(root, _FOLDER_FLAGS)
            os.fchmod(self._root_fd, 0o700)
            self._new_fd = _open_folder(self._root_fd, _NEW, make=True)
        except OSError as error:
            raise Failed(
                f"the media folder {root} cannot be used ({error.strerror}): it must be a plain "
                "folder that belongs to the user who runs the gateway"
            ) from error

    def new(self) -> NewFile:
        """Begin a file.

        Raises:
            OSError: If the disk refuses.
        """
        media_id = f"m-{secrets.token_hex(16)}"
        fd = os.open(media_id, _CREATE_FLAGS, 0o600, dir_fd=self._new_fd)
        os.fchmod(fd, 0o600)  # whatever the umask says
        return NewFile(media_id, fd, self._root_fd, self._new_fd)

    def open(self, media_id: str) -> OpenFile:
        """A file to read from; the caller closes it.

        Raises:
            OSError: If it is not there, or not a plain file of ours with one name.
        """
        if not ID_PATTERN.fullmatch(media_id):
            raise FileNotFoundError(errno.ENOENT, "not the name of a stored file")
        shard_fd = _open_shard(self._root_fd, media_id)
        try:
            fd = os.open(media_id, _READ_FLAGS, dir_fd=shard_fd)
        finally:
            os.close(shard_fd)
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            os.close(fd)
            raise PermissionError(errno.EPERM, "not a plain file of ours")
        return OpenFile(fd)

    def remove(self, media_id: str) -> None:
        """Delete a file; one that is gone already is fine.

        Raises:
            OSError: If the disk refuses.
        """
        with suppress(FileNotFoundError):
            _unlink(self._root_fd, media_id)

    def names(self) -> Iterator[str]:
        """Ids of all files that were kept."""
        for shard in sorted(_names(self._root_fd)):
            if shard == _NEW:
                continue
            shard_fd = _open_folder(self._root_fd, shard)
            try:
                names = _names(shard_fd)
            finally:
                os.close(shard_fd)
            yield from (name for name in sorted(names) if ID_PATTERN.fullmatch(name))

    def drop_unfinished(self) -> int:
        """Delete what a crash left half-written; how many files that were. At start only."""
        names = _names(self._new_fd)
        for name in names:
            os.unlink(name, dir_fd=self._new_fd)
        return len(names)

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._new_fd)
        os.close(self._root_fd)


def _names(folder_fd: int) -> list[str]:
    return os.listdir(folder_fd)


def _unlink(root_fd: int, media_id: str) -> None:
    shard_fd = _open_shard(root_fd, media_id)
    try:
        os.unlink(media_id, dir_fd=shard_fd)
    finally:
        os.close(shard_fd)


def _open_shard(root_fd: int, media_id: str, *, make: bool = False) -> int:
    return _open_folder(root_fd, media_id[2:4], make=make)


def _open_folder(parent_fd: int, name: str, *, make: bool = False) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=parent_fd)
            os.fsync(parent_fd)
    fd = os.open(name, _FOLDER_FLAGS, dir_fd=parent_fd)
    if make:
        os.fchmod(fd, 0o700)
    return fd
