"""Writing the configuration: whole or not at all, with a backup, and only over what one read.

A write goes to a temporary file beside the target, is synced, and replaces it by a rename;
a reader or a power cut sees the old file or the new one. A lock on the folder keeps the
gateway and the command line from writing at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from carapace.errors import Refused

__all__ = ["BACKUPS", "replace_file", "text_hash", "write_config"]

BACKUPS: Final = 5
_MODE: Final = 0o600


def text_hash(text: str | None) -> str:
    """SHA-256 of a file's text, of nothing if there is no file."""
    return hashlib.sha256((text or "").encode()).hexdigest()


def write_config(path: Path, text: str, *, base_hash: str | None) -> None:
    """Replace the configuration file with `text`, keeping up to five older ones.

    A symbolic link stays one: the file it leads to is replaced.

    Args:
        path: The file; made if it does not exist.
        text: All of the new text.
        base_hash: Hash of the text this change is based on; may be left out only when there
            is no file yet.

    Raises:
        Refused: If `base_hash` is missing or the file is not what it was.
    """
    target = Path(os.path.realpath(path))
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(target.parent):
        current = target.read_bytes() if target.exists() else None
        if current is not None:
            _compare(current, base_hash)
            _rotate(target)
            replace_file(_backup(target, 0), current)
        replace_file(target, text.encode())


def _compare(current: bytes, base_hash: str | None) -> None:
    if not base_hash:
        raise Refused("config base hash required; re-run config.get and retry")
    text = current.decode("utf-8-sig", errors="replace")
    if base_hash not in {text_hash(text), hashlib.sha256(current).hexdigest()}:
        raise Refused("config changed since last load; re-run config.get and retry")


def replace_file(target: Path, data: bytes) -> None:
    """Put `data` in place of `target` in one step, readable by its owner alone."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _backup(target: Path, age: int) -> Path:
    return target.with_name(f"{target.name}.bak" + (f".{age}" if age else ""))


def _rotate(target: Path) -> None:
    for age in range(BACKUPS - 1, 0, -1):
        with suppress(FileNotFoundError):
            _backup(target, age - 1).replace(_backup(target, age))


@contextmanager
def _locked(folder: Path) -> Generator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
