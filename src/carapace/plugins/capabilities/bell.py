"""Waiting for a time or for a ring, whichever comes first, on a clock that tests can hold."""

from __future__ import annotations

import asyncio

from carapace.clock import Clock
from carapace.tasks import Tasks

__all__ = ["Bell"]


class Bell:
    """Wakes one waiter; a ring that nobody waits for is kept.

    Args:
        clock: The time.
        tasks: Own the alarm.
    """

    __slots__ = ("_clock", "_rung", "_tasks")

    def __init__(self, clock: Clock, tasks: Tasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake the waiter."""
        self._rung.set()

    async def wait(self, delay_s: float | None) -> None:
        """Until rung, at most `delay_s` (None: as long as that takes)."""
        if delay_s is None or self._rung.is_set():
            await self._rung.wait()
        else:
            alarm = self._tasks.start(self._ring_in(delay_s), name="alarm")
            try:
                await self._rung.wait()
            finally:
                alarm.cancel()
        self._rung.clear()

    async def _ring_in(self, delay_s: float) -> None:
        await self._clock.sleep(delay_s)
        self._rung.set()
