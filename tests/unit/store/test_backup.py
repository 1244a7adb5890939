"""Backups: whole, private, complete or not at all."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from carapace.store.backup import backup_file, copy_database
from carapace.store.connect import connect
from carapace.store.errors import DatabaseDamaged, UnsafePath
from support.database import damage


def test_a_backup_of_a_database_in_use_is_one_private_file(tmp_path: Path):
    path, target = tmp_path / "carapace.db", tmp_path / "copy.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("INSERT INTO t VALUES (1)")
        backup_file(path, target)
        connection.execute("INSERT INTO t VALUES (2)")
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    with closing(sqlite3.connect(target)) as copy:
        assert copy.execute("SELECT count(*) FROM t").fetchone()[0] == 1
    assert {one.name for one in tmp_path.glob("copy*")} == {"copy.db"}


def test_nothing_is_overwritten(tmp_path: Path):
    path, target = tmp_path / "carapace.db", tmp_path / "copy.db"
    with closing(connect(path)):
        target.write_text("precious")
        with pytest.raises(UnsafePath, match="exists already"):
            backup_file(path, target)
    assert target.read_text() == "precious"


def test_a_missing_database_is_not_invented(tmp_path: Path):
    with pytest.raises(UnsafePath, match="no database"):
        backup_file(tmp_path / "none.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_source_leaves_the_older_copy_in_place(tmp_path: Path):
    path, target = tmp_path / "carapace.db", tmp_path / "copy.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(path)
    target.write_text("older")
    with closing(sqlite3.connect(path)) as connection, pytest.raises(DatabaseDamaged):
        copy_database(connection, target)
    assert target.read_text() == "older"
    assert not list(tmp_path.glob("*.part"))
