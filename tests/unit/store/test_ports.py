"""The port is what the implementation keeps."""

from __future__ import annotations

import sqlite3

from carapace.store.ports import Database, Row, Tx
from carapace.store.sqlite import SqliteDatabase
from carapace.store.tx import SqliteTx


def test_sqlite_fits_the_ports():
    """Checked by the type checker; at run time at least the names are there."""
    connection = sqlite3.connect(":memory:")
    tx: Tx = SqliteTx(connection)
    connection.close()
    kind: type[Database] = SqliteDatabase
    for port, real in ((Tx, type(tx)), (Database, kind), (Row, sqlite3.Row)):
        wanted = {name for name in vars(port) if not name.startswith("_")}
        assert wanted <= set(dir(real))
