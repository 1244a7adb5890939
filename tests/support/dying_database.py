"""A database whose process dies at a chosen write: from then on nothing ever returns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from carapace.store.ports import Database, Tx

__all__ = ["DyingDatabase"]

T = TypeVar("T")


class DyingDatabase:
    """Satisfies `Database`.

    Args:
        database: The real one.
        at: Number of the write at which the process dies, from 1.
        after: Whether that write still reaches the disk.

    Attributes:
        writes: How many were asked for.
        died: Set at that moment.
    """

    def __init__(self, database: Database, *, at: int, after: bool) -> None:
        self._database = database
        self._at = at
        self._after = after
        self.writes = 0
        self.died = asyncio.Event()

    async def read(self, fn: Callable[[Tx], T]) -> T:
        await self._if_alive()
        return await self._database.read(fn)

    async def write(self, fn: Callable[[Tx], T]) -> T:
        await self._if_alive()
        self.writes += 1
        if self.writes != self._at:
            return await self._database.write(fn)
        if self._after:
            await self._database.write(fn)
        self.died.set()
        await asyncio.Event().wait()
        raise AssertionError("a dead process went on")

    async def close(self) -> None:
        await self._database.close()

    async def _if_alive(self) -> None:
        if self.died.is_set():
            await asyncio.Event().wait()
