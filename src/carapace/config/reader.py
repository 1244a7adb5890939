"""Where the text of a configuration file comes from: the disk, or a kept copy."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Protocol

__all__ = ["MAX_FILE_BYTES", "DiskReader", "KeptReader", "ReadError", "Reader"]

MAX_FILE_BYTES: Final = 1_048_576


class ReadError(Exception):
    """A file that cannot be read; the message says why and what to do."""


class Reader(Protocol):
    """A source of files."""

    def read(self, path: Path) -> str:
        """The text of `path`.

        Raises:
            FileNotFoundError: If there is no such file.
            ReadError: If it is there and cannot be used.
        """
        ...

    def real(self, path: Path) -> Path:
        """`path` without symbolic links and dots."""
        ...


class DiskReader:
    """Reads plain files of at most 1 MiB; never a device, a pipe or a folder."""

    __slots__ = ()

    def read(self, path: Path) -> str:
        """See `Reader.read`. Opens without blocking, so that a named pipe cannot hang us."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ReadError(f"{path} cannot be read: {error.strerror}. Check its mode.") from None
        try:
            return _text(_content(descriptor), path)
        finally:
            os.close(descriptor)

    def real(self, path: Path) -> Path:
        """See `Reader.real`."""
        return Path(os.path.realpath(path))


def _content(descriptor: int) -> bytes | None:
    """The bytes of a plain file, one more than allowed at most; None for anything else."""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(MAX_FILE_BYTES + 1)


def _text(data: bytes | None, path: Path) -> str:
    if data is None:
        raise ReadError(f"{path} is not a plain file. Name a file.")
    if len(data) > MAX_FILE_BYTES:
        raise ReadError(f"{path} is larger than {MAX_FILE_BYTES} bytes. Split or shorten it.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(
            f"{path} is not UTF-8 text (byte {error.start}). Save it as UTF-8."
        ) from None


class KeptReader:
    """Answers from a set of texts that was kept earlier, by real path."""

    __slots__ = ("_files",)

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(files)

    def read(self, path: Path) -> str:
        """See `Reader.read`."""
        try:
            return self._files[str(self.real(path))]
        except KeyError:
            raise FileNotFoundError(str(path)) from None

    def real(self, path: Path) -> Path:
        """See `Reader.real`."""
        return Path(os.path.realpath(path))
