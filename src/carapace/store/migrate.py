"""Migrations: numbered SQL files, applied once, in order, forward only.

A file is `NNNN_pre_<noun>.sql` (safe for the version that still runs) or
`NNNN_post_<noun>.sql` (only after everyone has moved on). What was applied is kept with its
checksum; a changed file or an unknown number stops the start, with the next step in words.
Before the first new migration touches an existing database, a copy is made beside it.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Final

from carapace.store.backup import copy_database
from carapace.store.errors import DatabaseTooNew, MigrationFailed

__all__ = ["Migration", "load_migrations", "migrate", "parse_migrations"]

_NAME: Final = re.compile(r"(\d{4})_(pre|post)_([a-z0-9_]+)\.sql")
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  number INTEGER PRIMARY KEY,
  name TEXT NOT NULL,
  checksum TEXT NOT NULL,
  applied_at_ms INTEGER NOT NULL
) STRICT
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file."""

    number: int
    name: str
    sql: str = field(repr=False)

    @property
    def checksum(self) -> str:
        """SHA-256 of the text; line endings do not count, a checkout may change them."""
        return hashlib.sha256(self.sql.replace("\r\n", "\n").encode()).hexdigest()


def load_migrations() -> tuple[Migration, ...]:
    """The files that came with this version."""
    folder = resources.files("carapace.store") / "migrations" / "sqlite"
    return parse_migrations((entry.name, entry.read_text("utf-8")) for entry in folder.iterdir())


def parse_migrations(files: Iterable[tuple[str, str]]) -> tuple[Migration, ...]:
    """Name and text of files as migrations in order.

    Raises:
        ValueError: If a name does not fit the pattern, or a number is used twice.
    """
    found: dict[int, Migration] = {}
    for name, sql in sorted(files):
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name} is not named NNNN_pre_noun.sql or NNNN_post_noun.sql")
        number = int(match[1])
        if number in found:
            raise ValueError(f"{name} and {found[number].name} share a number")
        found[number] = Migration(number, name, sql)
    return tuple(found.values())


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    migrations: Sequence[Migration],
    *,
    now_ms: int,
) -> tuple[Migration, ...]:
    """Bring the schema up to date; the migrations that were new.

    Raises:
        DatabaseTooNew: If a newer version has written the database.
        MigrationFailed: If an applied file was changed or a new one does not apply; the
            database is then as it was before that file.
    """
    connection.execute(_TABLE)
    applied = _applied(connection)
    _refuse_unknown(path, applied, migrations)
    pending = tuple(one for one in migrations if one.number not in applied)
    if pending and applied:
        copy_database(connection, path.with_name(f"{path.name}.before-{pending[0].number:04d}"))
    for one in pending:
        _apply(connection, one, now_ms)
    return pending


def _applied(connection: sqlite3.Connection) -> dict[int, tuple[str, str]]:
    rows = connection.execute("SELECT number, name, checksum FROM schema_migrations")
    return {int(row[0]): (str(row[1]), str(row[2])) for row in rows.fetchall()}


def _refuse_unknown(
    path: Path, applied: dict[int, tuple[str, str]], migrations: Sequence[Migration]
) -> None:
    known = {one.number: one for one in migrations}
    for number, (name, checksum) in sorted(applied.items()):
        if number not in known:
            raise DatabaseTooNew(
                f"{path} was written by a newer version of Carapace ({name} is unknown here). "
                "Start that version again, or put the copy it made before its upgrade "
                f"({path.name}.before-{number:04d}) in place of {path.name}."
            )
        if known[number].checksum != checksum:
            raise MigrationFailed(
                f"The migration {name} is not the file that built {path}. The installation "
                "was changed or is incomplete: reinstall this version, then start again."
            )


def _apply(connection: sqlite3.Connection, migration: Migration, now_ms: int) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in _statements(migration.sql):
            connection.execute(statement)
        connection.execute(
            "INSERT INTO schema_migrations (number, name, checksum, applied_at_ms)"
            " VALUES (?, ?, ?, ?)",
            (migration.number, migration.name, migration.checksum, now_ms),
        )
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise MigrationFailed(
            f"The migration {migration.name} did not apply ({error}); the database is as it "
            "was before. Check free space, then start again; if it stays, report it."
        ) from error


def _statements(sql: str) -> list[str]:
    """Split at the ends of statements; a trigger's body stays whole."""
    found: list[str] = []
    current = ""
    for line in sql.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            found.append(current.strip())
            current = ""
    if current.strip() and not all(
        not line.strip() or line.lstrip().startswith("--") for line in current.splitlines()
    ):
        found.append(current.strip())
    return found
