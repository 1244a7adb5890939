"""The writer: one thread, one connection, group commit.

The rules of this file:

1. Everything that waits when the thread wakes up goes into one transaction, so that one
   fsync serves all. Each function runs in a savepoint of its own (a single one has the
   transaction for that); one that raises is undone alone and its caller gets the exception.
2. Nobody hears of a result before COMMIT returned.
3. A function whose caller was cancelled before it began is skipped. Once begun it runs to
   its end; there is no half.
4. If SQLite gave the whole transaction up (disk full, I/O error), everyone in the batch is
   told that nothing was written. If COMMIT itself failed, everyone is told that the outcome
   is unknown, since the bytes may have reached the disk.
5. What waits is bounded; what does not fit is refused at once.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from carapace.store.errors import WriteLost, WriteUnknown
from carapace.store.job_queue import JobQueue
from carapace.store.jobs import Job, deliver
from carapace.store.ports import Tx
from carapace.store.slow import OnSlow, tell
from carapace.store.tx import SqliteTx

__all__ = ["Writer"]

_MAX_BATCH: Final = 256
_COMMIT: Final = "COMMIT"


class _Marks(NamedTuple):
    """The statements around one function."""

    before: tuple[str, ...]
    keep: tuple[str, ...]
    undo: tuple[str, ...]


_AMONG_OTHERS: Final = _Marks(
    ("SAVEPOINT job",), ("RELEASE job",), ("ROLLBACK TO job", "RELEASE job")
)
# What is committed afterwards is an empty transaction, which costs no fsync.
_ALONE: Final = _Marks((), (), ("ROLLBACK", "BEGIN"))


class Writer:
    """Owns the writing connection and its thread.

    Args:
        connection: Autocommit mode; nobody else uses it from now on.
        loop: Where callers wait.
        max_waiting: How many writes may wait at once.
        slow_s: What takes longer is told to `on_slow`.
        on_slow: See `OnSlow`.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        max_waiting: int,
        slow_s: float,
        on_slow: OnSlow,
    ) -> None:
        self._connection = connection
        self._tx = SqliteTx(connection)
        self._loop = loop
        self._slow_s = slow_s
        self._on_slow = on_slow
        self._queue = JobQueue(
            loop,
            max_waiting=max_waiting,
            closed="The gateway is stopping; nothing was written. Try again later.",
            busy=(
                f"{max_waiting} writes wait for the disk; nothing was written. "
                "Try again in a moment; if this lasts, check the disk."
            ),
        )
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._work, name="carapace-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many writes the thread has not taken up yet."""
        return self._queue.waiting

    def check(self) -> str | None:
        """Why nothing can be written, or None; cleared by the next commit that works."""
        if not self._thread.is_alive():
            return "the database writer has ended; restart the gateway"
        return self._trouble

    def submit(self, fn: Callable[[Tx], Any]) -> asyncio.Future[Any]:
        """Queue `fn`; the future is settled after its commit.

        Raises:
            DatabaseClosed: After `stop`.
            DatabaseBusy: If `max_waiting` wait already.
        """
        return self._queue.submit(fn)

    def stop(self) -> None:
        """Take nothing new; the thread ends after what waits."""
        self._queue.end()

    def join(self) -> None:
        """Wait for the thread to end (blocks; call it off the loop)."""
        self._thread.join()

    def _work(self) -> None:
        """The thread: batch after batch until `stop`."""
        goes_on = True
        while goes_on:
            first = self._queue.take()
            if first is None:
                return
            batch = [first]
            goes_on = self._queue.take_more(batch, most=_MAX_BATCH)
            jobs = [job for job in batch if not job.is_abandoned]
            if jobs:
                self._commit_all(jobs)
                deliver(self._loop, jobs)

    def _commit_all(self, jobs: list[Job]) -> None:
        """One transaction for all of `jobs`; fills in their results and errors."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            marks = _ALONE if len(jobs) == 1 else _AMONG_OTHERS
            for job in jobs:
                self._run(job, marks)
        except sqlite3.Error as error:
            self._undo()
            self._trouble = f"the database does not take writes ({error}); check the disk"
            _fail_all(
                jobs,
                WriteLost,
                f"The database did not take the write ({error}); nothing was written. "
                "Check free space and health of the disk, then try again.",
            )
            return
        started = time.perf_counter()
        try:
            self._connection.execute(_COMMIT)
        except sqlite3.Error as error:
            self._undo()
            self._trouble = f"the disk does not confirm writes ({error}); check it"
            _fail_all(
                jobs,
                WriteUnknown,
                f"The disk did not confirm the write ({error}); it may or may not be stored. "
                "Check free space and health of the disk, then look before repeating.",
            )
            return
        self._trouble = None
        self._note("commit", time.perf_counter() - started)

    def _run(self, job: Job, marks: _Marks) -> None:
        """One function, so that it can be undone alone.

        Raises:
            sqlite3.Error: If the transaction as a whole is gone.
        """
        started = time.perf_counter()
        self._all_of(marks.before)
        try:
            job.result = job.fn(self._tx)
        except BaseException as error:
            job.error = error
            if not self._connection.in_transaction:
                raise sqlite3.OperationalError(str(error)) from error
            self._all_of(marks.undo)
        else:
            self._all_of(marks.keep)
        self._note(job.name, time.perf_counter() - started)

    def _all_of(self, statements: tuple[str, ...]) -> None:
        for statement in statements:
            self._connection.execute(statement)

    def _undo(self) -> None:
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                # SQLite rolls back by itself on the errors that make ROLLBACK fail; the next
                # BEGIN reports whatever is still wrong to the callers of that batch.
                return

    def _note(self, name: str, elapsed_s: float) -> None:
        if elapsed_s > self._slow_s:
            tell(self._on_slow, name, elapsed_s)


def _fail_all(jobs: list[Job], kind: type[WriteLost | WriteUnknown], message: str) -> None:
    """Everyone but those whose own function raised gets an error of `kind` of their own."""
    for job in jobs:
        if job.error is None or isinstance(job.error, sqlite3.Error):
            job.error = kind(message)
