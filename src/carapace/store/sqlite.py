"""The SQLite implementation of `Database`: one writer thread, a few readers, one file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, TypeVar

from carapace.clock import Clock, SystemClock
from carapace.store.backup import backup_file
from carapace.store.connect import connect, connect_read_only, prepare_file
from carapace.store.errors import DatabaseBusy, WriteUnknown
from carapace.store.integrity import IntegrityReport, integrity_problems
from carapace.store.lock import StateLock
from carapace.store.migrate import Migration, load_migrations, migrate
from carapace.store.ports import Tx
from carapace.store.readers import Readers
from carapace.store.slow import OnSlow
from carapace.store.writer import Writer
from carapace.telemetry.log import get_logger

__all__ = ["SqliteDatabase"]

T = TypeVar("T")

_MAX_WAITING: Final = 4096
_DEADLINE_S: Final = 30.0
_SLOW_S: Final = 0.05

log = get_logger(__name__)


def _log_slow(name: str, elapsed_s: float) -> None:
    log.warning("slow database work", function=name, elapsed_ms=round(elapsed_s * 1000))


class SqliteDatabase:
    """Satisfies `carapace.store.ports.Database`. Built by `open`, on a running loop."""

    def __init__(
        self,
        path: Path,
        *,
        writer: Writer,
        readers: Readers,
        connection: sqlite3.Connection,
        lock: StateLock,
        applied: tuple[Migration, ...],
        deadline_s: float,
    ) -> None:
        self.path = path
        self.applied = applied
        self._writer = writer
        self._readers = readers
        self._connection = connection
        self._lock = lock
        self._deadline_s = deadline_s
        self._closed = False

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        clock: Clock | None = None,
        migrations: Sequence[Migration] | None = None,
        reader_count: int = 2,
        max_waiting: int = _MAX_WAITING,
        deadline_s: float = _DEADLINE_S,
        slow_s: float = _SLOW_S,
        on_slow: OnSlow = _log_slow,
    ) -> SqliteDatabase:
        """Lock the state directory, check and migrate the file, start the threads.

        Args:
            path: The file; made with its directory if missing.
            clock: Dates the migrations.
            migrations: Instead of those of this version.
            reader_count: How many reads may run at once.
            max_waiting: How many reads, and how many writes, may wait.
            deadline_s: How long a caller waits for one read or write.
            slow_s: What takes longer is told to `on_slow`, by default the log.
            on_slow: Called on a database thread with function name and seconds.

        Raises:
            StateLocked: If another gateway uses the same directory.
            UnsafePath: If the file may not be used as it is.
            DatabaseDamaged: If it fails its check.
            DatabaseTooNew: If a newer version wrote it.
            MigrationFailed: If the schema cannot be brought up to date.
        """
        wanted = load_migrations() if migrations is None else migrations
        now_ms = (clock or SystemClock()).now_ms()
        lock = StateLock(path.with_name(f"{path.name}.lock"))
        try:
            connection, applied = await asyncio.to_thread(_ready, path, wanted, now_ms)
        except BaseException:
            lock.release()
            raise
        loop = asyncio.get_running_loop()
        return cls(
            path,
            writer=Writer(
                connection, loop, max_waiting=max_waiting, slow_s=slow_s, on_slow=on_slow
            ),
            readers=Readers(
                [connect_read_only(path) for _ in range(reader_count)],
                loop,
                max_waiting=max_waiting,
                slow_s=slow_s,
                on_slow=on_slow,
            ),
            connection=connection,
            lock=lock,
            applied=applied,
            deadline_s=deadline_s,
        )

    @property
    def waiting_writes(self) -> int:
        """How many writes the writer has not taken up yet."""
        return self._writer.waiting

    def check(self) -> str | None:
        """For readiness: why nothing can be written, or None."""
        return self._writer.check()

    async def read(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` on one snapshot in a reader thread; see the port."""
        future = self._readers.submit(fn)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await future
        except TimeoutError:
            raise DatabaseBusy(
                f"The database did not answer within {self._deadline_s:g} s. "
                "Try again; if this lasts, check the disk."
            ) from None

    async def write(self, fn: Callable[[Tx], T]) -> T:
        """Run `fn` in the writer's next transaction; see the port."""
        future = self._writer.submit(fn)
        try:
            async with asyncio.timeout(self._deadline_s):
                return await future
        except TimeoutError:
            raise WriteUnknown(
                f"The disk did not confirm the write within {self._deadline_s:g} s; it may or "
                "may not be stored. Check the disk, then look before repeating."
            ) from None

    async def backup(self, target: Path) -> None:
        """Copy the database to `target` while it is in use.

        Raises:
            UnsafePath: If `target` exists.
            DatabaseDamaged: If the copy does not pass its check.
        """
        await asyncio.to_thread(backup_file, self.path, target)

    async def integrity(self) -> IntegrityReport:
        """The full check, on a connection of its own; seconds for a large file."""
        return await asyncio.to_thread(_check, self.path)

    async def close(self) -> None:
        """Finish what waits, fold the log into the file, release the state directory."""
        if self._closed:
            return
        self._closed = True
        self._writer.stop()
        self._readers.stop()
        # Shielded: a caller in a hurry must not leave the thread with half a shutdown.
        await asyncio.shield(asyncio.to_thread(self._finish))

    def _finish(self) -> None:
        self._readers.join()
        self._writer.join()
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            # Harmless: the log is folded in at the next start.
            log.warning("checkpoint at close failed", error=str(error))
        finally:
            self._connection.close()
            self._lock.release()


def _ready(
    path: Path, migrations: Sequence[Migration], now_ms: int
) -> tuple[sqlite3.Connection, tuple[Migration, ...]]:
    """A checked, migrated, writing connection."""
    prepare_file(path)
    connection = connect(path)
    try:
        integrity_problems(connection, path, quick=True).raise_if_any()
        applied = migrate(connection, path, migrations, now_ms=now_ms)
    except BaseException:
        connection.close()
        raise
    return connection, applied


def _check(path: Path) -> IntegrityReport:
    with closing(connect_read_only(path)) as connection:
        return integrity_problems(connection, path, quick=False)
