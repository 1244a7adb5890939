"""Copies of the database while it is in use."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from carapace.store.connect import connect_read_only
from carapace.store.errors import UnsafePath
from carapace.store.integrity import integrity_problems

__all__ = ["backup_file", "copy_database"]

_PAGES_PER_STEP: Final = 2048


def backup_file(source: Path, target: Path) -> None:
    """Write a checked copy of the database `source`, which may be in use, to `target`.

    Blocks for as long as the copy takes: call it off the loop.

    Raises:
        UnsafePath: If `target` exists, or the source has no file.
        DatabaseDamaged: If the copy does not pass its check.
    """
    if not source.is_file():
        raise UnsafePath(f"There is no database at {source}, so nothing was copied.")
    if target.exists() or target.is_symlink():
        raise UnsafePath(f"{target} exists already. Choose another name, or remove it first.")
    with closing(connect_read_only(source)) as connection:
        copy_database(connection, target)


def copy_database(connection: sqlite3.Connection, target: Path) -> None:
    """Copy what `connection` sees to `target`, 0600, complete or not at all.

    An older file at `target` is replaced. SQLite's backup API takes a consistent snapshot
    page by page and starts again by itself if another connection writes in between.

    Raises:
        DatabaseDamaged: If the copy does not pass its check; `target` is then as before.
    """
    part = target.with_name(f"{target.name}.part")
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            connection.backup(copy, pages=_PAGES_PER_STEP)
            # The header says WAL; a copy that is one file must not ask for side files.
            copy.execute("PRAGMA journal_mode=DELETE")
            integrity_problems(copy, target, quick=True).raise_if_any()
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Flush a file or, where the system can, a directory."""
    if os.name == "nt" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
