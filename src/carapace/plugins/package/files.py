"""The plugins folder on the disk, and the only code that opens a file in it.

    plugins/lock.json          what is installed; see `lock`
    plugins/log.jsonl          what was ever done; see `transparency`
    plugins/store/<digest>/    a package: its two or three files, never changed
    plugins/new-<random>/      one that is still being written

Names are made here from digests and random digits, never from what a package says (advisories
G01, G16). Folders are held open and everything is opened relative to them without following
links. All of this blocks: call it from a thread.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from carapace.errors import Failed

__all__ = ["PluginFiles", "disk_failure", "read_plain"]

_STORE: Final = "store"
_STAGED: Final = "new-"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_APPEND_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def disk_failure(error: OSError) -> Failed:
    """What a person is told when the disk did not do its part."""
    return Failed(
        f"The plugins folder cannot be used ({error.strerror or error}): check its rights and the "
        "space on its disk, then try again.",
        retryable=True,
    )


def read_plain(name: str, *, max_bytes: int, folder_fd: int | None = None) -> bytes:
    """All of a plain file, without following a link at its name.

    Raises:
        OSError: If it is not there, no plain file, or larger than `max_bytes`.
    """
    fd = os.open(name, _READ_FLAGS, dir_fd=folder_fd)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise PermissionError("not a plain file")
        found = file.read(max_bytes + 1)
    if len(found) > max_bytes:
        raise OSError(f"larger than {max_bytes} bytes")
    return found


class PluginFiles:
    """The open folder.

    Args:
        root: Made if missing, closed to everybody else either way.

    Raises:
        Failed: If it is no folder of ours.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._root_fd = os.open(root, _FOLDER_FLAGS)
            os.fchmod(self._root_fd, 0o700)
            self._store_fd = _open_folder(self._root_fd, _STORE)
        except OSError as error:
            raise disk_failure(error) from error

    def close(self) -> None:
        """Let go of the folder."""
        os.close(self._store_fd)
        os.close(self._root_fd)

    def path(self, digest: str, name: str) -> Path:
        """Where a file of a package lies, for a process that checks its hash itself."""
        return self._root / _STORE / digest / name

    def read(self, digest: str, name: str, *, max_bytes: int) -> bytes:
        """A file of a package.

        Raises:
            OSError: If it is not there, or not a plain file of ours with one name.
        """
        folder_fd = os.open(digest, _FOLDER_FLAGS, dir_fd=self._store_fd)
        try:
            found = os.stat(name, dir_fd=folder_fd, follow_symlinks=False)
            if found.st_nlink != 1 or found.st_uid != os.geteuid():
                raise PermissionError("not a file of ours alone")
            return read_plain(name, max_bytes=max_bytes, folder_fd=folder_fd)
        finally:
            os.close(folder_fd)

    def names(self, digest: str) -> frozenset[str]:
        """What lies in a package's folder; nothing if there is none."""
        try:
            folder_fd = os.open(digest, _FOLDER_FLAGS, dir_fd=self._store_fd)
        except FileNotFoundError:
            return frozenset()
        try:
            return frozenset(_names(folder_fd))
        finally:
            os.close(folder_fd)

    def keep(self, digest: str, files: Mapping[str, bytes]) -> None:
        """Write a package; after this a power cut cannot halve it.

        Raises:
            OSError: If the disk refuses; nothing is left behind then.
        """
        staged = _STAGED + secrets.token_hex(8)
        os.mkdir(staged, 0o700, dir_fd=self._root_fd)
        try:
            self._fill(staged, files)
            self.remove(digest)  # what lies there may have been changed
            os.rename(staged, digest, src_dir_fd=self._root_fd, dst_dir_fd=self._store_fd)
            os.fsync(self._store_fd)
        except BaseException:
            _remove_folder(self._root_fd, staged)
            raise

    def remove(self, digest: str) -> None:
        """Delete a package; one that is gone already is fine.

        Raises:
            OSError: If the disk refuses.
        """
        _remove_folder(self._store_fd, digest)

    def sweep(self, keep: frozenset[str]) -> None:
        """Delete packages that nobody needs, and what a crash left half-written.

        Raises:
            OSError: If the disk refuses.
        """
        for name in _names(self._root_fd):
            if name.startswith(_STAGED):
                _remove_folder(self._root_fd, name)
        for name in _names(self._store_fd):
            if _DIGEST.fullmatch(name) and name not in keep:
                _remove_folder(self._store_fd, name)

    def read_own(self, name: str, *, max_bytes: int) -> bytes | None:
        """A file of the folder itself; None if there is none.

        Raises:
            OSError: If it cannot be read.
        """
        try:
            return read_plain(name, max_bytes=max_bytes, folder_fd=self._root_fd)
        except FileNotFoundError:
            return None

    def replace_own(self, name: str, data: bytes) -> None:
        """Put `data` in place of a file of the folder itself, in one step.

        Raises:
            OSError: If the disk refuses; the old file then still stands.
        """
        fresh = _STAGED + secrets.token_hex(8)
        try:
            _write_new(self._root_fd, fresh, data, 0o600)
            os.rename(fresh, name, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=self._root_fd)
            raise
        os.fsync(self._root_fd)

    def append_own(self, name: str, data: bytes, *, at: int) -> None:
        """Append to a file of the folder itself, after cutting it off at `at` bytes.

        Raises:
            OSError: If the disk refuses.
        """
        fd = os.open(name, _APPEND_FLAGS, 0o600, dir_fd=self._root_fd)
        with os.fdopen(fd, "ab") as file:
            os.fchmod(fd, 0o600)
            file.truncate(at)
            file.write(data)
            file.flush()
            os.fsync(fd)

    def _fill(self, folder: str, files: Mapping[str, bytes]) -> None:
        folder_fd = os.open(folder, _FOLDER_FLAGS, dir_fd=self._root_fd)
        try:
            for name, data in files.items():
                _write_new(folder_fd, name, data, 0o400)
            os.fsync(folder_fd)
        finally:
            os.close(folder_fd)


def _names(folder_fd: int) -> list[str]:
    return os.listdir(folder_fd)


def _write_new(folder_fd: int, name: str, data: bytes, mode: int) -> None:
    fd = os.open(name, _CREATE_FLAGS, 0o600, dir_fd=folder_fd)
    with os.fdopen(fd, "wb") as file:
        file.write(data)
        file.flush()
        os.fchmod(fd, mode)
        os.fsync(fd)


def _open_folder(parent_fd: int, name: str) -> int:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent_fd)
        os.fsync(parent_fd)
    fd = os.open(name, _FOLDER_FLAGS, dir_fd=parent_fd)
    os.fchmod(fd, 0o700)
    return fd


def _remove_folder(parent_fd: int, name: str) -> None:
    """Delete a folder of plain files, or whatever has taken its name."""
    try:
        fd = os.open(name, _FOLDER_FLAGS, dir_fd=parent_fd)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=parent_fd)
        return
    try:
        for one in _names(fd):
            os.unlink(one, dir_fd=fd)
    finally:
        os.close(fd)
    os.rmdir(name, dir_fd=parent_fd)
