"""Migrations: once, in order, forward only, and never over something unknown."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from carapace.store.connect import connect
from carapace.store.errors import DatabaseTooNew, MigrationFailed
from carapace.store.migrate import Migration, load_migrations, migrate, parse_migrations

FIRST = Migration(1, "0001_pre_a.sql", "CREATE TABLE a (x INTEGER) STRICT;\n")
SECOND = Migration(
    2,
    "0002_pre_b.sql",
    """-- a comment; with a semicolon
CREATE TABLE b (x TEXT DEFAULT ';') STRICT;
CREATE TRIGGER b_after AFTER INSERT ON b BEGIN
  DELETE FROM a; INSERT INTO a VALUES (1);
END;
INSERT INTO b VALUES ('one')
""",
)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "carapace.db"


@pytest.fixture(name="connection")
def _connection(path: Path) -> Generator[sqlite3.Connection]:
    with closing(connect(path)) as connection:
        yield connection


def test_the_files_that_ship_have_unique_numbers_and_apply(
    connection: sqlite3.Connection, path: Path
):
    shipped = load_migrations()
    assert [one.number for one in shipped] == sorted({one.number for one in shipped})
    assert migrate(connection, path, shipped, now_ms=1) == shipped
    assert migrate(connection, path, shipped, now_ms=2) == ()


def test_every_shipped_table_is_strict(connection: sqlite3.Connection, path: Path):
    migrate(connection, path, load_migrations(), now_ms=1)
    rows = connection.execute("PRAGMA table_list").fetchall()
    shadows = tuple(f"{row['name']}_" for row in rows if row["type"] == "virtual")
    loose = [
        row["name"]
        for row in rows
        if row["type"] == "table"
        and not row["strict"]
        and not row["name"].startswith(("sqlite_", *shadows))
    ]
    assert loose == []


def test_statements_and_triggers_are_applied_whole(connection: sqlite3.Connection, path: Path):
    assert migrate(connection, path, (FIRST, SECOND), now_ms=5) == (FIRST, SECOND)
    assert connection.execute("SELECT x FROM b").fetchone()[0] == "one"
    assert connection.execute("SELECT x FROM a").fetchone()[0] == 1
    kept = connection.execute("SELECT * FROM schema_migrations ORDER BY number").fetchall()
    assert [tuple(row) for row in kept] == [
        (1, FIRST.name, FIRST.checksum, 5),
        (2, SECOND.name, SECOND.checksum, 5),
    ]


def test_a_trailing_comment_is_no_statement(connection: sqlite3.Connection, path: Path):
    one = Migration(1, "0001_pre_a.sql", "CREATE TABLE a (x INTEGER) STRICT;\n-- the end\n\n")
    assert migrate(connection, path, (one,), now_ms=1) == (one,)


def test_a_copy_is_made_before_an_existing_database_changes(
    connection: sqlite3.Connection, path: Path
):
    migrate(connection, path, (FIRST,), now_ms=1)
    assert not list(path.parent.glob("*.before-*"))
    connection.execute("INSERT INTO a VALUES (42)")
    migrate(connection, path, (FIRST, SECOND), now_ms=2)
    copy = path.with_name("carapace.db.before-0002")
    with closing(sqlite3.connect(copy)) as old:
        assert old.execute("SELECT x FROM a").fetchone()[0] == 42
        assert old.execute("SELECT count(*) FROM schema_migrations").fetchone()[0] == 1


def test_a_newer_database_is_refused_with_the_way_back(connection: sqlite3.Connection, path: Path):
    migrate(connection, path, (FIRST, SECOND), now_ms=1)
    with pytest.raises(DatabaseTooNew, match=r"newer version.*0002_pre_b\.sql.*before-0002"):
        migrate(connection, path, (FIRST,), now_ms=2)


def test_a_tampered_applied_file_is_refused(connection: sqlite3.Connection, path: Path):
    migrate(connection, path, (FIRST,), now_ms=1)
    tampered = Migration(1, FIRST.name, FIRST.sql + "CREATE TABLE evil (x) STRICT;\n")
    with pytest.raises(MigrationFailed, match=r"0001_pre_a\.sql is not the file"):
        migrate(connection, path, (tampered,), now_ms=2)


def test_line_endings_do_not_count_as_tampering():
    windows = Migration(1, FIRST.name, FIRST.sql.replace("\n", "\r\n"))
    assert windows.checksum == FIRST.checksum


@pytest.mark.parametrize("sql", ["CREATE TABLE c (x) STRICT;", "SELECT nonsense FROM nowhere;"])
def test_a_file_that_fails_leaves_no_trace(connection: sqlite3.Connection, path: Path, sql: str):
    broken = Migration(2, "0002_pre_c.sql", f"CREATE TABLE half (x INTEGER) STRICT;\n{sql}\n")
    with pytest.raises(MigrationFailed, match="as it was before"):
        migrate(connection, path, (FIRST, broken), now_ms=1)
    names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert "a" in names
    assert "half" not in names
    assert migrate(connection, path, (FIRST, SECOND), now_ms=2) == (SECOND,)


def test_a_file_that_ends_its_own_transaction_is_still_an_error(
    connection: sqlite3.Connection, path: Path
):
    rude = Migration(1, "0001_pre_a.sql", "ROLLBACK;\nSELECT nonsense FROM nowhere;\n")
    with pytest.raises(MigrationFailed):
        migrate(connection, path, (rude,), now_ms=1)


def test_names_must_fit_and_numbers_must_differ():
    with pytest.raises(ValueError, match="not named"):
        parse_migrations([("1_pre_a.sql", "")])
    with pytest.raises(ValueError, match="share a number"):
        parse_migrations([("0001_pre_a.sql", ""), ("0001_post_b.sql", "")])
    found = parse_migrations([("0002_post_b.sql", "b"), ("0001_pre_a.sql", "a")])
    assert [one.number for one in found] == [1, 2]
