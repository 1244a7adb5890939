"""Listeners that only watch: each with a queue and a task of its own, so none holds up another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from carapace.hooks.listener import CallOutcome, Listener
from carapace.hooks.points import Payload
from carapace.tasks import Tasks

__all__ = ["MAX_WAITING", "Watcher"]

MAX_WAITING: Final = 1_000


class Watcher:
    """The queue before one listener; its task lives while there is something to tell.

    Args:
        listener: Called in order, one payload at a time.
        tasks: Owns the task.
        count: Told how each call ended.
        max_waiting: Payloads beyond this are dropped, the newest first.
    """

    __slots__ = ("_count", "_is_closed", "_listener", "_max_waiting", "_tasks", "_waiting")

    def __init__(
        self,
        listener: Listener[Any],
        tasks: Tasks,
        count: Callable[[CallOutcome], None],
        *,
        max_waiting: int = MAX_WAITING,
    ) -> None:
        self._listener = listener
        self._tasks = tasks
        self._count = count
        self._max_waiting = max_waiting
        self._waiting: asyncio.Queue[Payload] | None = None
        self._is_closed = False

    def tell(self, payload: Payload) -> None:
        """Queue `payload`; drops it if too many wait."""
        if self._is_closed:
            return
        if self._waiting is None:
            self._waiting = asyncio.Queue(self._max_waiting)
            self._waiting.put_nowait(payload)
            name = f"{self._listener.point.name} {self._listener.owner}"
            self._tasks.start(self._work(self._waiting), name=name)
            return
        try:
            self._waiting.put_nowait(payload)
        except asyncio.QueueFull:
            self._count(CallOutcome.DROPPED)

    def close(self) -> None:
        """Take no more; what waits is forgotten."""
        self._is_closed = True
        while self._waiting is not None and not self._waiting.empty():
            self._waiting.get_nowait()

    async def _work(self, waiting: asyncio.Queue[Payload]) -> None:
        try:
            while not waiting.empty():
                _, outcome = await self._listener.call(waiting.get_nowait())
                self._count(outcome)
        finally:
            self._waiting = None
