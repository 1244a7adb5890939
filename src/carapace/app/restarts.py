"""When the gateway restarts itself: asked for by a client, a signal, or a changed file.

There is one restart at a time. Whoever asks with a delay gets it after that delay at the latest;
one that nobody asked for (a saved file) gives way to one that somebody did.
"""

from __future__ import annotations

import asyncio
import os
from typing import Final

from carapace.clock import Clock
from carapace.protocol.config import RestartReport
from carapace.tasks import Tasks
from carapace.telemetry.log import get_logger

__all__ = ["RESTART_EXPECTED_MS", "Restarts"]

_log = get_logger(__name__)
RESTART_EXPECTED_MS: Final = 1_500
"""What clients are told; they come back by themselves anyway."""
_USUAL_DELAY_MS: Final = 2_000
_MAX_DELAY_MS: Final = 60_000


class Restarts:
    """Sets `wanted` when it is time.

    Args:
        clock: The time.
        tasks: Owns the waiting.

    Attributes:
        wanted: Set when the gateway shall restart now.
    """

    def __init__(self, clock: Clock, tasks: Tasks) -> None:
        self._clock = clock
        self._tasks = tasks
        self._waiting: asyncio.Task[None] | None = None
        self._due_s = 0.0
        self._is_asked = False
        self.wanted = asyncio.Event()

    def schedule(self, reason: str, delay_ms: int | None = None) -> RestartReport:
        """Restart after `delay_ms` milliseconds (at most 60000); earlier if one is due earlier.

        Returns:
            What a client is told of it.
        """
        wait_ms = min(_USUAL_DELAY_MS if delay_ms is None else delay_ms, _MAX_DELAY_MS)
        due_s = self._clock.monotonic() + wait_ms / 1000
        if self._waiting is None or not self._is_asked or due_s < self._due_s:
            self._wait(reason, due_s, is_asked=True)
        return RestartReport(
            ok=True, pid=os.getpid(), signal="SIGUSR1", delay_ms=wait_ms, reason=reason, mode="emit"
        )

    def follow(self, reason: str, delay_ms: int) -> None:
        """Restart after `delay_ms` milliseconds, unless a restart is due already."""
        if self._waiting is None:
            self._wait(reason, self._clock.monotonic() + delay_ms / 1000, is_asked=False)

    def _wait(self, reason: str, due_s: float, *, is_asked: bool) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._due_s, self._is_asked = due_s, is_asked
        self._waiting = self._tasks.start(self._ring(reason, due_s), name="restart")

    async def _ring(self, reason: str, due_s: float) -> None:
        await self._clock.sleep(max(0.0, due_s - self._clock.monotonic()))
        _log.info("gateway restarts", reason=reason)
        self.wanted.set()
