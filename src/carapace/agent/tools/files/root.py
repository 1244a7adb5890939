"""Reading and changing files below one folder, whoever changes it meanwhile.

Every step goes from an open folder to a name in it and follows no link, so there is no moment
at which a swapped link leads outside. Nothing but plain files with a single name is read: a pipe
would hang, a device answers for the machine, and a second name may be that of a file elsewhere.
A file is changed by putting a finished one in its place.

All of this waits for the disk; callers run it in a thread.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from carapace.agent.tools.files.paths import Parts, shown
from carapace.agent.tools.registry import ToolTrouble
from carapace.value import Value

__all__ = [
    "ABSENT",
    "ANY",
    "Change",
    "FolderThere",
    "Found",
    "Stamp",
    "change",
    "list_folder",
    "read_file",
]

_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: a pipe put there must not hang the thread. O_NOCTTY: nor a terminal adopt it.
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o600
_FOLDER_MODE: Final = 0o700
_PERMISSIONS: Final = 0o777

Stamp = tuple[int, int, int, int]
"""Device, inode, time of change in ns, size: another one is another content."""


class FolderThere(ToolTrouble):
    """Where a file was wanted there is a folder."""


class Expected(Enum):
    """What must be there before a change, if no stamp says it."""

    ANY = "any"
    ABSENT = "absent"


ANY: Final = Expected.ANY
ABSENT: Final = Expected.ABSENT


class Found(Value, frozen=True):
    """A file as it was read."""

    data: bytes
    stamp: Stamp


class Change(Value, frozen=True):
    """One file to be made, replaced or removed.

    Attributes:
        parts: Which.
        data: Its new content; None removes it.
        expected: What must be there now: that very content, anything, or nothing.
    """

    parts: Parts
    data: bytes | None
    expected: Stamp | Expected = ANY


def read_file(root: Path, parts: Parts, *, max_bytes: int) -> Found:
    """A plain file.

    Raises:
        ToolTrouble: If there is none that may be read, or it is larger than `max_bytes`.
            `FolderThere` if it is a folder.
    """
    with _told(parts), _parent(root, parts) as folder:
        with os.fdopen(os.open(_name(parts), _FILE, dir_fd=folder), "rb") as file:
            status = os.fstat(file.fileno())
            _need_plain(parts, status)
            if status.st_nlink > 1:
                raise ToolTrouble(
                    f"{shown(parts)} has a second name elsewhere (a hard link), so it is not read."
                )
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise ToolTrouble(
                f"{shown(parts)} is larger than {max_bytes} bytes, which is too much to read."
            )
        return Found(data, _stamp(status))


def list_folder(root: Path, parts: Parts, *, limit: int) -> tuple[list[str], int]:
    """The first `limit` names in a folder, folders with `/` behind, and how many there are.

    Raises:
        ToolTrouble: If there is no such folder.
    """
    with _told(parts), _walk(root, parts) as folder, os.scandir(folder) as entries:
        names = sorted(
            one.name + "/" if one.is_dir(follow_symlinks=False) else one.name for one in entries
        )
        return names[:limit], len(names)


def change(root: Path, changes: Sequence[Change]) -> None:
    """Make all the changes, or none of them.

    Every new content is on disk before the first file is replaced; if one cannot be, those
    before it are put back. Only a crash of the machine in the middle can leave some done.

    Raises:
        ToolTrouble: If something else is there than was expected, or the disk refuses.
    """
    with ExitStack() as stack:
        is_one = len(changes) == 1  # nothing can have to be put back
        steps = [stack.enter_context(_staged(root, one, keeps=not is_one)) for one in changes]
        done: list[_Step] = []
        try:
            for step in steps:
                with _told(step.parts):
                    step.commit()
                done.append(step)
        except BaseException:
            for step in reversed(done):
                step.roll_back()
            raise
        for step in steps:
            step.forget()


class _Step:
    """One change, between being ready and being done."""

    def __init__(self, folder: int, one: Change, staged: str | None, *, keeps: bool) -> None:
        self.parts = one.parts
        self._folder = folder
        self._name = _name(one.parts)
        self._staged = staged
        self._kept = _own_name() if keeps else None

    def commit(self) -> None:
        """Put the new content in place, and keep the old one under another name."""
        if self._kept is not None:
            os.link(
                self._name,
                self._kept,
                src_dir_fd=self._folder,
                dst_dir_fd=self._folder,
                follow_symlinks=False,
            )
        try:
            if self._staged is None:
                os.unlink(self._name, dir_fd=self._folder)
            else:
                os.replace(
                    self._staged, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder
                )
        except BaseException:
            self.forget()
            raise

    def roll_back(self) -> None:
        """Put back what was there."""
        with suppress(OSError):
            if self._kept is None:
                os.unlink(self._name, dir_fd=self._folder)
            else:
                os.replace(self._kept, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def forget(self) -> None:
        """Let the old content go, and have the folder on disk."""
        if self._kept is not None:
            with suppress(OSError):
                os.unlink(self._kept, dir_fd=self._folder)
        with suppress(OSError):
            os.fsync(self._folder)


@contextmanager
def _staged(root: Path, one: Change, *, keeps: bool) -> Generator[_Step]:
    """A change that is ready; what is not needed of it is removed behind."""
    with _told(one.parts), _parent(root, one.parts, makes=one.data is not None) as folder:
        before = _status(folder, one)
        staged = None
        if one.data is not None:
            staged = _own_name()
            mode = _MODE if before is None else stat.S_IMODE(before.st_mode) & _PERMISSIONS
            _write_new(folder, staged, one.data, mode)
        try:
            yield _Step(folder, one, staged, keeps=keeps and before is not None)
        finally:
            if staged is not None:
                with suppress(OSError):  # it was put in place
                    os.unlink(staged, dir_fd=folder)


def _status(folder: int, one: Change) -> os.stat_result | None:
    """What is there now, if it is what was expected.

    Raises:
        ToolTrouble: If it is not.
    """
    try:
        status = os.stat(_name(one.parts), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        if one.data is None or not isinstance(one.expected, Expected):
            raise
        return None
    _need_plain(one.parts, status)
    if one.expected is ABSENT:
        raise ToolTrouble(f"{shown(one.parts)} is there already; edit it, or choose another name.")
    if not isinstance(one.expected, Expected) and one.expected != _stamp(status):
        raise ToolTrouble(f"{shown(one.parts)} was changed meanwhile. Read it and try again.")
    return status


def _write_new(folder: int, name: str, data: bytes, mode: int) -> None:
    with os.fdopen(os.open(name, _NEW, mode, dir_fd=folder), "wb") as file:
        try:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(name, dir_fd=folder)
            raise


@contextmanager
def _parent(root: Path, parts: Parts, *, makes: bool = False) -> Generator[int]:
    """The open folder that holds the last part."""
    if not parts:
        raise _folder_there(parts)
    with _walk(root, parts[:-1], makes=makes) as folder:
        yield folder


@contextmanager
def _walk(root: Path, parts: Parts, *, makes: bool = False) -> Generator[int]:
    """The open folder at `parts`, step by step from the root; `makes` those that are missing."""
    if makes:
        root.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
    # The root is the operator's: links on the way to it are theirs as well.
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in parts:
            inner = _inner(folder, name, makes=makes)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


def _inner(folder: int, name: str, *, makes: bool) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError:
        if not makes:
            raise
    with suppress(FileExistsError):
        os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
    return os.open(name, _FOLDER, dir_fd=folder)


@contextmanager
def _told(parts: Parts) -> Generator[None]:
    """What the system refuses, as a sentence for a model."""
    try:
        yield
    except IsADirectoryError as error:
        raise _folder_there(parts) from error
    except FileNotFoundError as error:
        raise ToolTrouble(f"{shown(parts)} is not there.") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            text = f"{shown(parts)} goes through a link or a file; neither is followed."
            raise ToolTrouble(text) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ToolTrouble(f"{shown(parts)} cannot be used: {reason}.") from error


def _need_plain(parts: Parts, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise _folder_there(parts)
    if not stat.S_ISREG(status.st_mode):
        raise ToolTrouble(f"{shown(parts)} is no plain file, so it is left alone.")


def _folder_there(parts: Parts) -> FolderThere:
    return FolderThere(f"{shown(parts)} is a folder.")


def _stamp(status: os.stat_result) -> Stamp:
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _name(parts: Parts) -> str:
    return parts[-1]


def _own_name() -> str:
    return f".carapace-{secrets.token_hex(8)}.tmp"
