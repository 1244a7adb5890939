"""How a connection to the SQLite file is opened and set up.

Every connection is in autocommit mode (`isolation_level=None`), so that transactions begin
and end only where `writer.py` and `readers.py` say so.
"""

from __future__ import annotations

import os
import sqlite3
import stat
import urllib.parse
from pathlib import Path
from typing import Final

from carapace.store.errors import DatabaseDamaged, UnsafePath

__all__ = ["APPLICATION_ID", "connect", "connect_read_only", "prepare_file"]

APPLICATION_ID: Final = 0x43525043
"""`CRPC` in the file's header, so that a file of some other program is not migrated."""

_BUSY_TIMEOUT_MS: Final = 5000
_CACHED_STATEMENTS: Final = 256


def prepare_file(path: Path) -> None:
    """Make sure `path` is a plain file of ours, 0600 in a 0700 directory.

    Raises:
        UnsafePath: If it is a symbolic link or no regular file. A link would let whoever
            can replace it move our state, and SQLite's side files would land elsewhere.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if stat.S_IMODE(path.parent.stat().st_mode) & 0o077 and path.parent.stat().st_uid == _uid():
        path.parent.chmod(0o700)
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    if path.is_symlink():
        raise UnsafePath(
            f"{path} is a symbolic link; the database must be a plain file. "
            "Move the file itself here, or point the state directory at where it is."
        )
    try:
        handle = os.open(path, flags, 0o600)
    except OSError as error:
        raise UnsafePath(
            f"{path} cannot be opened ({error.strerror}). Check that the state directory "
            "is writable by the user who runs the gateway."
        ) from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise UnsafePath(f"{path} is not a regular file; move it away and start again.")
        if hasattr(os, "fchmod"):
            os.fchmod(handle, 0o600)
    finally:
        os.close(handle)


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else -1


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write: WAL, FULL sync, foreign keys.

    Raises:
        DatabaseDamaged: If the file is no SQLite database, or some other program's.
        UnsafePath: If the file system cannot hold a log.
    """
    try:
        connection = _open(f"{path}", uri=False)
        mode: str = connection.execute("PRAGMA journal_mode=WAL").fetchone()[0]
        connection.execute("PRAGMA synchronous=FULL")
        _claim(connection, path)
    except sqlite3.DatabaseError as error:
        raise DatabaseDamaged(
            f"{path} could not be opened as a database ({error}). Move it away and put the "
            f"newest backup in its place, then start again."
        ) from error
    if mode != "wal":
        connection.close()
        raise UnsafePath(
            f"{path} is on a file system without shared memory, so SQLite cannot keep its log "
            "there. Put the state directory on a local disk."
        )
    return connection


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    quoted = urllib.parse.quote(str(path))
    connection = _open(f"file:{quoted}?mode=ro", uri=True)
    connection.execute("PRAGMA query_only=ON")
    return connection


def _open(target: str, *, uri: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        target,
        uri=uri,
        timeout=_BUSY_TIMEOUT_MS / 1000,
        isolation_level=None,
        check_same_thread=False,  # opened here, then used by exactly one database thread
        cached_statements=_CACHED_STATEMENTS,
    )
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def _claim(connection: sqlite3.Connection, path: Path) -> None:
    """Write our mark into a fresh file; refuse a file with another program's mark or tables."""
    marked: int = connection.execute("PRAGMA application_id").fetchone()[0]
    if marked == APPLICATION_ID:
        return
    tables: int = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
    if marked or tables:
        raise DatabaseDamaged(
            f"{path} is a database of another program. Choose another state directory, "
            "or move that file away."
        )
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
