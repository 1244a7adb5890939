"""The way of functions from the loop to the threads of the database: bounded, and with an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any

from carapace.store.errors import DatabaseBusy, DatabaseClosed
from carapace.store.jobs import Job
from carapace.store.ports import Tx

__all__ = ["JobQueue"]


class JobQueue:
    """Filled on the loop, emptied by one or more threads.

    Args:
        loop: Where callers wait.
        max_waiting: How many functions may wait at once.
        closed: What callers are told after the end.
        busy: What they are told when too many wait.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, *, max_waiting: int, closed: str, busy: str
    ) -> None:
        self._loop = loop
        self._max_waiting = max_waiting
        self._closed = closed
        self._busy = busy
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._has_ended = False

    @property
    def waiting(self) -> int:
        """How many no thread has taken yet."""
        return self._jobs.qsize()

    def submit(self, fn: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        """Queue `fn`; the future is settled by `deliver`.

        Raises:
            DatabaseClosed: After the end.
            DatabaseBusy: If `max_waiting` wait already.
        """
        if self._has_ended:
            raise DatabaseClosed(self._closed)
        if self._jobs.qsize() >= self._max_waiting:
            raise DatabaseBusy(self._busy)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put(Job(fn, future))
        return future

    def end(self, *, n_threads: int = 1) -> None:
        """Take nothing new; after what waits, each thread is given None."""
        if not self._has_ended:
            self._has_ended = True
            for _ in range(n_threads):
                self._jobs.put(None)

    def take(self) -> Job | None:
        """The next, waited for; None is the end (for a thread)."""
        return self._jobs.get()

    def take_more(self, batch: list[Job], *, most: int) -> bool:
        """Add what waits already, up to `most` in all; False once the end was seen."""
        while len(batch) < most:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                return True
            if job is None:
                return False
            batch.append(job)
        return True
