"""Places for work that only a few may do at a time, and a line before them that has an end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from carapace.errors import Failed

__all__ = ["Slots"]


class Slots:
    """Takes no more than it can serve.

    Args:
        max_at_once: How many have a place at the same time.
        max_waiting: How many more may wait for one, first come, first served.
        what: What they wait for, after their number: "files wait to be fetched".
    """

    def __init__(self, max_at_once: int, *, max_waiting: int, what: str) -> None:
        self._free = asyncio.Semaphore(max_at_once)
        self._max_waiting = max_waiting
        self._waiting = 0
        self._what = what

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[None]:
        """A place, for as long as the block runs.

        Raises:
            Failed: If too many wait already.
        """
        await self._enter()
        try:
            yield
        finally:
            self._free.release()

    async def _enter(self) -> None:
        if self._waiting >= self._max_waiting:
            raise Failed(
                f"{self._max_waiting} {self._what} already: try again in a minute", retryable=True
            )
        self._waiting += 1
        try:
            await self._free.acquire()
        finally:
            self._waiting -= 1
