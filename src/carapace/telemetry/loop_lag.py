"""How late the event loop is: the one number that shows blocking code.

A task sleeps for a fixed time and measures how much longer it took to wake up. It also counts
the loop's tasks: a number that only grows is a leak.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from carapace.clock import Clock

__all__ = ["LoopLag"]

_INTERVAL_S: Final = 0.5
_SAMPLES: Final = 10


class LoopLag:
    """Measures the running loop's lag.

    Args:
        clock: Whose sleep is measured.
        observe: Called with each lag in seconds (a histogram's `observe`).
        tasks: Told how many tasks the loop has, at each sample (a gauge's `set`).
        max_lag_s: Above it, in most of the last ten samples, the gateway is not ready.
    """

    __slots__ = ("_clock", "_max_lag_s", "_observe", "_recent", "_tasks")

    def __init__(
        self,
        clock: Clock,
        observe: Callable[[float], None],
        *,
        tasks: Callable[[int], None] | None = None,
        max_lag_s: float = 0.25,
    ) -> None:
        self._clock = clock
        self._observe = observe
        self._tasks = tasks
        self._max_lag_s = max_lag_s
        self._recent: deque[float] = deque(maxlen=_SAMPLES)

    @property
    def last_s(self) -> float:
        """The newest sample in seconds; 0 before the first."""
        return self._recent[-1] if self._recent else 0.0

    async def run(self) -> None:
        """Measure twice a second until cancelled; run it as a task."""
        while True:
            due = self._clock.monotonic() + _INTERVAL_S
            await self._clock.sleep(_INTERVAL_S)
            lag_s = max(0.0, self._clock.monotonic() - due)
            self._recent.append(lag_s)
            self._observe(lag_s)
            if self._tasks is not None:
                self._tasks(len(asyncio.all_tasks()))

    def check(self) -> str | None:
        """For readiness: that the loop is persistently late, or None."""
        late = sum(lag_s > self._max_lag_s for lag_s in self._recent)
        if late * 2 <= _SAMPLES:
            return None
        worst_ms = round(max(self._recent) * 1000)
        return (
            f"the event loop is late (up to {worst_ms} ms); something blocks or the machine is full"
        )
