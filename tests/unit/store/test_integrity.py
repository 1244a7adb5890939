"""Integrity: damage is found and named with the next step."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from carapace.store.connect import connect
from carapace.store.errors import DatabaseDamaged
from carapace.store.integrity import IntegrityReport, integrity_problems
from support.database import damage


def test_a_whole_file_has_no_problems(tmp_path: Path):
    path = tmp_path / "a.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a)")
        for quick in (True, False):
            report = integrity_problems(connection, path, quick=quick)
            assert report.problems == ()
            report.raise_if_any()


def test_overwritten_pages_are_found(tmp_path: Path):
    path = tmp_path / "a.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a TEXT)")
        connection.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    damage(path)
    with closing(sqlite3.connect(path)) as connection:
        report = integrity_problems(connection, path, quick=True)
        assert report.problems
        with pytest.raises(DatabaseDamaged, match="newest backup"):
            report.raise_if_any()


def test_a_dangling_row_is_found_by_the_full_check(tmp_path: Path):
    path = tmp_path / "a.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent (id))")
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("INSERT INTO child VALUES (7)")
        assert integrity_problems(connection, path, quick=True).problems == ()
        full = integrity_problems(connection, path, quick=False)
        assert full.problems == ("a row of child points to a missing row of parent",)


def test_a_file_that_cannot_even_be_checked_is_a_problem(tmp_path: Path):
    path = tmp_path / "a.db"
    path.write_bytes(b"no database" * 200)
    with closing(sqlite3.connect(path)) as connection:
        assert integrity_problems(connection, path, quick=True).problems


def test_more_than_one_problem_is_counted():
    report = IntegrityReport(Path("a.db"), ("one", "two", "three"))
    with pytest.raises(DatabaseDamaged, match=r"one \(and 2 more\)"):
        report.raise_if_any()
