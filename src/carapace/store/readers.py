"""Readers: a few threads, each with a read-only connection of its own.

In WAL mode they never wait for the writer. Each function sees one snapshot, taken when its
transaction reads first, so it includes every write that was awaited before.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from carapace.store.job_queue import JobQueue
from carapace.store.jobs import Job, deliver
from carapace.store.ports import Tx
from carapace.store.slow import OnSlow, tell
from carapace.store.tx import SqliteTx

__all__ = ["Readers"]


class Readers:
    """Owns the reading connections and their threads.

    Args:
        connections: One thread each.
        loop: Where callers wait.
        max_waiting: How many reads may wait at once.
        slow_s: What takes longer is told to `on_slow`.
        on_slow: See `OnSlow`.
    """

    def __init__(
        self,
        connections: Sequence[sqlite3.Connection],
        loop: asyncio.AbstractEventLoop,
        *,
        max_waiting: int,
        slow_s: float,
        on_slow: OnSlow,
    ) -> None:
        self._loop = loop
        self._slow_s = slow_s
        self._on_slow = on_slow
        self._queue = JobQueue(
            loop,
            max_waiting=max_waiting,
            closed="The gateway is stopping; nothing was read. Try again later.",
            busy=f"{max_waiting} reads wait for the database. Try again in a moment.",
        )
        self._threads = [
            threading.Thread(
                target=self._work, args=(one,), name=f"carapace-reader-{index}", daemon=True
            )
            for index, one in enumerate(connections)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, fn: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        """Queue `fn` for the next free reader.

        Raises:
            DatabaseClosed: After `stop`.
            DatabaseBusy: If `max_waiting` wait already.
        """
        return self._queue.submit(fn)

    def stop(self) -> None:
        """Take nothing new; the threads end after what waits."""
        self._queue.end(n_threads=len(self._threads))

    def join(self) -> None:
        """Wait for the threads to end (blocks; call it off the loop)."""
        for thread in self._threads:
            thread.join()

    def _work(self, connection: sqlite3.Connection) -> None:
        tx = SqliteTx(connection)
        while (job := self._queue.take()) is not None:
            if job.is_abandoned:
                continue
            started = time.perf_counter()
            _read(connection, tx, job)
            elapsed_s = time.perf_counter() - started
            deliver(self._loop, (job,))
            if elapsed_s > self._slow_s:
                tell(self._on_slow, job.name, elapsed_s)
        connection.close()


def _read(connection: sqlite3.Connection, tx: SqliteTx, job: Job) -> None:
    try:
        connection.execute("BEGIN")
        job.result = job.fn(tx)
    except BaseException as error:  # noqa: BLE001 - carried to the caller, whatever it is
        job.error = error
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            job.error = job.error or error
