"""A real, migrated database for a test, gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from carapace.store.sqlite import SqliteDatabase

__all__ = ["damage", "memory_database"]


@asynccontextmanager
async def memory_database() -> AsyncGenerator[SqliteDatabase]:
    """The same code and durability as in production, in a directory of its own."""
    with tempfile.TemporaryDirectory(prefix="carapace-db-") as folder:
        database = await SqliteDatabase.open(Path(folder) / "carapace.db")
        try:
            yield database
        finally:
            await database.close()


def damage(path: Path) -> None:
    """Overwrite some pages in the middle of a database that nobody has open."""
    data = bytearray(path.read_bytes())
    data[4096 * 3 : 4096 * 6] = b"\xff" * (4096 * 3)
    path.write_bytes(data)
