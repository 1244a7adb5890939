"""Time as a thing one is given, so that tests can hold it still.

Aware UTC datetimes for people and rows, whole milliseconds for the wire, monotonic
float seconds for deadlines. The three are never mixed.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Where a service gets its time from."""

    def now(self) -> datetime:
        """Aware UTC wall time."""
        ...

    def now_ms(self) -> int:
        """Whole milliseconds since 1970; never a float, native decoders refuse one."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow; for deadlines and durations."""
        ...

    async def sleep(self, delay_s: float) -> None:
        """Wait for `delay_s` seconds."""
        ...


class SystemClock:
    """The machine's own time."""

    __slots__ = ()

    def now(self) -> datetime:
        """Aware UTC wall time."""
        return datetime.now(UTC)

    def now_ms(self) -> int:
        """Wall time in whole milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    async def sleep(self, delay_s: float) -> None:
        """Wait on the running loop."""
        await asyncio.sleep(delay_s)
