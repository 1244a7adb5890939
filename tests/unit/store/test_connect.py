"""Connections: private plain files of ours, with the settings that survive a power cut."""

from __future__ import annotations

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from carapace.store.connect import APPLICATION_ID, connect, connect_read_only, prepare_file
from carapace.store.errors import DatabaseDamaged, UnsafePath


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_files_and_directories_are_private_even_with_a_wide_umask(tmp_path: Path):
    """Advisory F20."""
    old = os.umask(0)
    try:
        path = tmp_path / "state" / "carapace.db"
        prepare_file(path)
        with closing(connect(path)) as connection:
            connection.execute("CREATE TABLE t (a)")
            modes = {one.name: mode_of(one) for one in path.parent.iterdir()}
    finally:
        os.umask(old)
    assert modes == {"carapace.db": 0o600, "carapace.db-wal": 0o600, "carapace.db-shm": 0o600}
    assert mode_of(path.parent) == 0o700


def test_a_directory_others_may_read_is_closed(tmp_path: Path):
    tmp_path.chmod(0o755)
    path = tmp_path / "carapace.db"
    path.touch(0o644)
    prepare_file(path)
    assert (mode_of(tmp_path), mode_of(path)) == (0o700, 0o600)


def test_a_symbolic_link_is_refused(tmp_path: Path):
    real = tmp_path / "elsewhere"
    real.touch()
    link = tmp_path / "carapace.db"
    link.symlink_to(real)
    with pytest.raises(UnsafePath, match="symbolic link"):
        prepare_file(link)


def test_what_is_no_file_is_refused(tmp_path: Path):
    pipe = tmp_path / "carapace.db"
    os.mkfifo(pipe)
    with pytest.raises(UnsafePath, match="not a regular file"):
        prepare_file(pipe)


def test_a_path_that_cannot_be_opened_says_so(tmp_path: Path):
    folder = tmp_path / "carapace.db"
    folder.mkdir()
    with pytest.raises(UnsafePath, match="cannot be opened"):
        prepare_file(folder)


def test_a_connection_is_durable_and_checks_foreign_keys(tmp_path: Path):
    path = tmp_path / "carapace.db"
    with closing(connect(path)) as connection:
        pragmas = {
            name: connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 5000,
        }
        assert connection.execute("PRAGMA application_id").fetchone()[0] == APPLICATION_ID
    with closing(connect(path)):
        pass  # our own mark is welcome


def test_another_programs_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (a)")
    with pytest.raises(DatabaseDamaged, match="another program"):
        connect(path)


def test_what_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "carapace.db"
    path.write_text("not a database at all, but long enough to be read as a header" * 20)
    with pytest.raises(DatabaseDamaged, match="could not be opened"):
        connect(path)


def test_a_file_system_that_cannot_hold_a_log_is_refused():
    """SQLite answers so for an in-memory file; network file systems answer the same."""
    with pytest.raises(UnsafePath, match="local disk"):
        connect(Path(":memory:"))


def test_a_read_only_connection_cannot_write(tmp_path: Path):
    path = tmp_path / "a name with ? and #.db"
    with closing(connect(path)) as writer:
        writer.execute("CREATE TABLE t (a)")
        with (
            closing(connect_read_only(path)) as reader,
            pytest.raises(sqlite3.OperationalError, match="readonly"),
        ):
            reader.execute("INSERT INTO t VALUES (1)")
