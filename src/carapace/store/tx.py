"""`Tx` over one SQLite connection."""

from __future__ import annotations

import sqlite3
from typing import Any

from carapace.store.ports import Params, Row

__all__ = ["SqliteTx"]


class SqliteTx:
    """Satisfies `carapace.store.ports.Tx`; one per connection, reused for each function."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, params: Params = (), /) -> int:
        """Run one statement; the number of rows it changed (-1 for a query)."""
        return self._connection.execute(sql, params).rowcount

    def one(self, sql: str, params: Params = (), /) -> Row | None:
        """The first row, or None."""
        cursor = self._connection.execute(sql, params)
        row: Any = cursor.fetchone()
        # An unfinished statement would keep its snapshot open past the transaction.
        cursor.close()
        return row

    def all(self, sql: str, params: Params = (), /) -> list[Row]:
        """Every row."""
        rows: list[Any] = self._connection.execute(sql, params).fetchall()
        return rows
