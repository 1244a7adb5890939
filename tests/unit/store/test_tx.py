"""`SqliteTx`: three verbs over a connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing

import pytest

from carapace.store.tx import SqliteTx


@pytest.fixture(name="tx")
def _tx() -> Generator[SqliteTx]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("CREATE TABLE t (a INTEGER)")
        yield SqliteTx(connection)


def test_execute_counts_changed_rows(tx: SqliteTx):
    assert tx.execute("INSERT INTO t VALUES (1), (2)") == 2
    assert tx.execute("UPDATE t SET a = 5 WHERE a = :a", {"a": 9}) == 0
    assert tx.execute("SELECT 1") == -1


def test_one_leaves_no_statement_open(tx: SqliteTx):
    tx.execute("INSERT INTO t VALUES (1), (2)")
    row = tx.one("SELECT a FROM t ORDER BY a")
    assert row is not None
    assert row["a"] == 1
    tx.execute("DROP TABLE t")  # an open cursor would lock the table


def test_all_gives_every_row(tx: SqliteTx):
    tx.execute("INSERT INTO t VALUES (1), (2)")
    assert [row[0] for row in tx.all("SELECT a FROM t ORDER BY a")] == [1, 2]
    assert tx.all("SELECT a FROM t WHERE a > ?", (5,)) == []
