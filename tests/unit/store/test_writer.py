"""The writer: group commit, savepoints, and honest answers when the disk fails."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace.store.connect import connect
from carapace.store.errors import DatabaseBusy, DatabaseClosed, WriteLost, WriteUnknown
from carapace.store.ports import Tx
from carapace.store.writer import Writer


class FailingConnection(sqlite3.Connection):
    """A real connection on which a chosen statement fails as a bad disk makes it fail."""

    fails: str | None = None
    rolls_back = False
    log: list[str]

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        self.log.append(sql)
        if sql == self.fails:
            if self.rolls_back:
                super().execute("ROLLBACK")
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


@contextmanager
def writing(
    connection: sqlite3.Connection, **limits: Any
) -> Generator[tuple[Writer, list[tuple[str, float]]]]:
    slow: list[tuple[str, float]] = []
    writer = Writer(
        connection,
        asyncio.get_running_loop(),
        max_waiting=limits.get("max_waiting", 100),
        slow_s=limits.get("slow_s", 10.0),
        on_slow=lambda name, seconds: slow.append((name, seconds)),
    )
    try:
        yield writer, slow
    finally:
        writer.stop()
        writer.join()


@pytest.fixture(name="connection")
def _connection(tmp_path: Path) -> Generator[FailingConnection]:
    path = tmp_path / "carapace.db"
    with closing(connect(path)) as first:
        first.execute("CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT")
    with closing(
        sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, factory=FailingConnection
        )
    ) as connection:
        connection.log = []
        yield connection


def put(value: int) -> Callable[[Tx], int]:
    return lambda tx: tx.execute("INSERT INTO t VALUES (?)", (value,))


def stored(connection: sqlite3.Connection) -> list[int]:
    return [row[0] for row in connection.execute("SELECT a FROM t ORDER BY a")]


async def held(writer: Writer) -> tuple[threading.Event, asyncio.Future[Any]]:
    """Keep the thread inside one function, so that what follows has to queue."""
    entered, release = threading.Event(), threading.Event()

    def hold(_: Tx) -> None:
        entered.set()
        assert release.wait(10)

    future = writer.submit(hold)
    await asyncio.to_thread(entered.wait, 10)
    return release, future


async def test_all_that_wait_share_one_commit(connection: FailingConnection):
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        rest = [writer.submit(put(value)) for value in range(20)]
        assert writer.waiting == 20
        release.set()
        await asyncio.gather(first, *rest)
    assert connection.log.count("COMMIT") == 2
    assert stored(connection) == list(range(20))


async def test_no_result_is_heard_of_before_its_commit(connection: FailingConnection):
    with writing(connection) as (writer, _):
        future = writer.submit(put(1))
        future.add_done_callback(lambda _: connection.log.append("heard"))
        await future
        await asyncio.sleep(0)
    assert connection.log.index("heard") > connection.log.index("COMMIT")


async def test_one_that_raises_is_undone_alone(connection: FailingConnection):
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        futures = [writer.submit(put(value)) for value in (1, 1, 2)]
        release.set()
        results = await asyncio.gather(first, *futures, return_exceptions=True)
    assert isinstance(results[2], sqlite3.IntegrityError)
    assert stored(connection) == [1, 2]


async def test_a_caller_cancelled_before_its_turn_writes_nothing(connection: FailingConnection):
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        gone, here = writer.submit(put(1)), writer.submit(put(2))
        gone.cancel()
        release.set()
        await asyncio.gather(first, here)
    assert stored(connection) == [2]


async def test_a_batch_of_cancelled_callers_costs_no_transaction(connection: FailingConnection):
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        writer.submit(put(1)).cancel()
        release.set()
        await first
        await writer.submit(put(2))
    assert stored(connection) == [2]


async def test_what_does_not_fit_the_queue_is_refused_at_once(connection: FailingConnection):
    with writing(connection, max_waiting=2) as (writer, _):
        release, first = await held(writer)
        waiting = [writer.submit(put(1)), writer.submit(put(2))]
        with pytest.raises(DatabaseBusy, match="2 writes wait"):
            writer.submit(put(3))
        release.set()
        await asyncio.gather(first, *waiting)


async def test_a_batch_is_bounded(connection: FailingConnection):
    with writing(connection, max_waiting=1000) as (writer, _):
        release, first = await held(writer)
        rest = [writer.submit(put(value)) for value in range(300)]
        release.set()
        await asyncio.gather(first, *rest)
    assert connection.log.count("COMMIT") == 3


async def test_after_stop_nothing_is_taken_and_what_waits_is_done(connection: FailingConnection):
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        waiting = writer.submit(put(1))
        writer.stop()
        writer.stop()
        with pytest.raises(DatabaseClosed):
            writer.submit(put(2))
        release.set()
        await asyncio.gather(first, waiting)
    assert stored(connection) == [1]


async def test_a_commit_that_fails_is_an_unknown_outcome_for_everyone(
    connection: FailingConnection,
):
    with writing(connection) as (writer, _):
        connection.fails = "COMMIT"
        with pytest.raises(WriteUnknown, match="may or may not be stored"):
            await writer.submit(put(1))
        connection.fails = None
        await writer.submit(put(2))
    assert stored(connection) == [2]


async def test_a_disk_that_takes_nothing_is_told_as_nothing_written(connection: FailingConnection):
    with writing(connection) as (writer, _):
        connection.fails = "BEGIN IMMEDIATE"
        with pytest.raises(WriteLost, match="nothing was written"):
            await writer.submit(put(1))
    assert stored(connection) == []


async def test_a_transaction_sqlite_gave_up_fails_the_whole_batch(connection: FailingConnection):
    """On a full disk SQLite rolls back everything, neighbours included."""
    connection.rolls_back = True
    with writing(connection) as (writer, _):
        release, first = await held(writer)
        good = writer.submit(put(1))
        own = writer.submit(_raise_value_error)
        bad = writer.submit(lambda tx: tx.execute("INSERT INTO t VALUES (9)"))
        connection.fails = "INSERT INTO t VALUES (9)"
        release.set()
        results = await asyncio.gather(first, good, own, bad, return_exceptions=True)
        connection.fails = None
        await writer.submit(put(5))
    kinds = {type(one) for one in results}
    assert WriteLost in kinds
    assert kinds <= {WriteLost, ValueError, type(None)}
    assert isinstance(results[1], WriteLost)
    assert isinstance(results[2], ValueError)
    assert isinstance(results[3], WriteLost)
    assert stored(connection) == [5]


def _raise_value_error(_: Tx) -> None:
    raise ValueError("its own")


async def test_a_rollback_that_fails_too_does_not_end_the_thread(connection: FailingConnection):
    class Doubly(FailingConnection):
        def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
            if self.fails and sql in ("COMMIT", "ROLLBACK"):
                raise sqlite3.OperationalError("disk I/O error")
            return super().execute(sql, *args)

    path = connection.execute("PRAGMA database_list").fetchone()[2]
    with closing(
        sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Doubly)
    ) as doubly:
        doubly.log = []
        doubly.fails = "COMMIT"
        with writing(doubly) as (writer, _):
            with pytest.raises(WriteUnknown):
                await writer.submit(put(1))
            with pytest.raises(WriteLost):  # the broken transaction still stands
                await writer.submit(put(2))


async def test_slow_functions_are_named(connection: FailingConnection):
    with writing(connection, slow_s=-1.0) as (writer, slow):
        await writer.submit(_named)
    assert [name for name, _ in slow] == ["_named", "commit"]
    assert all(seconds >= 0 for _, seconds in slow)


def _named(tx: Tx) -> int:
    return tx.execute("INSERT INTO t VALUES (77)")
