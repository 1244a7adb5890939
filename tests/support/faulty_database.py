"""A database whose commits fail, or report back wrongly, for as long as a test says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from carapace.store.ports import Database, Tx

__all__ = ["FaultyDatabase"]


class FaultyDatabase:
    """Satisfies `Database`.

    Attributes:
        faults: What the next writes raise, and whether the write is made nevertheless.
        constant: What every write raises for as long as it is set; none is made.
        failed: How many writes have raised.
        writes: How many were asked for.
        reads: How many were asked for.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.faults: list[tuple[Exception, bool]] = []
        self.constant: Exception | None = None
        self.failed = 0
        self.writes = 0
        self.reads = 0

    async def read(self, fn: Callable[[Tx], Any]) -> Any:
        self.reads += 1
        return await self._database.read(fn)

    async def write(self, fn: Callable[[Tx], Any]) -> Any:
        self.writes += 1
        if self.constant is not None:
            self.failed += 1
            raise self.constant
        if not self.faults:
            return await self._database.write(fn)
        error, is_written = self.faults.pop(0)
        self.failed += 1
        if is_written:
            await self._database.write(fn)
        raise error

    async def close(self) -> None:
        await self._database.close()
