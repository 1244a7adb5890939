"""Readers: side by side, on snapshots, without writing."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from carapace.store.connect import connect, connect_read_only
from carapace.store.errors import DatabaseBusy, DatabaseClosed
from carapace.store.ports import Tx
from carapace.store.readers import Readers


@contextmanager
def reading(
    path: Path, count: int = 1, **limits: Any
) -> Generator[tuple[Readers, list[tuple[str, float]]]]:
    slow: list[tuple[str, float]] = []
    readers = Readers(
        [connect_read_only(path) for _ in range(count)],
        asyncio.get_running_loop(),
        max_waiting=limits.get("max_waiting", 100),
        slow_s=limits.get("slow_s", 10.0),
        on_slow=lambda name, seconds: slow.append((name, seconds)),
    )
    try:
        yield readers, slow
    finally:
        readers.stop()
        readers.join()


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    path = tmp_path / "carapace.db"
    with closing(connect(path)) as connection:
        connection.execute("CREATE TABLE t (a INTEGER) STRICT")
        connection.execute("INSERT INTO t VALUES (1)")
    return path


def number(tx: Tx) -> int:
    row = tx.one("SELECT a FROM t")
    assert row is not None
    return row["a"]


async def test_two_readers_run_at_once(path: Path):
    barrier = threading.Barrier(2)
    with reading(path, 2) as (readers, _):
        both = [readers.submit(lambda _: barrier.wait(10)) for _ in range(2)]
        assert sorted(await asyncio.gather(*both)) == [0, 1]


async def test_errors_reach_the_caller_and_the_reader_goes_on(path: Path):
    with reading(path) as (readers, _):
        with pytest.raises(sqlite3.OperationalError, match="no such table"):
            await readers.submit(lambda tx: tx.one("SELECT * FROM nowhere"))
        assert await readers.submit(number) == 1


class Held:
    """Keeps a reader inside one function until released."""

    def __init__(self) -> None:
        self.entered, self.release = threading.Event(), threading.Event()

    def __call__(self, _: Tx) -> bool:
        self.entered.set()
        return self.release.wait(10)


async def test_a_full_queue_refuses_at_once(path: Path):
    hold = Held()
    with reading(path, max_waiting=1) as (readers, _):
        held = readers.submit(hold)
        await asyncio.to_thread(hold.entered.wait, 10)
        waiting = readers.submit(number)
        with pytest.raises(DatabaseBusy, match="1 reads wait"):
            readers.submit(number)
        hold.release.set()
        assert await held
        assert await waiting == 1


async def test_a_caller_who_left_is_skipped(path: Path):
    hold = Held()
    with reading(path) as (readers, slow):
        held = readers.submit(hold)
        await asyncio.to_thread(hold.entered.wait, 10)
        readers.submit(number).cancel()
        here = readers.submit(number)
        hold.release.set()
        assert await held
        assert await here == 1
    assert slow == []


async def test_after_stop_nothing_is_taken(path: Path):
    with reading(path) as (readers, _):
        readers.stop()
        readers.stop()
        with pytest.raises(DatabaseClosed):
            readers.submit(number)


async def test_slow_reads_are_named(path: Path):
    with reading(path, slow_s=-1.0) as (readers, slow):
        await readers.submit(number)
    assert [name for name, _ in slow] == ["number"]


class Stuck(sqlite3.Connection):
    """A real connection that cannot roll back, as on a failing disk."""

    def execute(self, sql: str, *args: Any) -> sqlite3.Cursor:
        if sql == "ROLLBACK":
            super().execute(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(sql, *args)


async def test_a_rollback_that_fails_is_told_and_the_reader_goes_on(path: Path):
    stuck = sqlite3.connect(path, isolation_level=None, check_same_thread=False, factory=Stuck)
    readers = Readers(
        [stuck],
        asyncio.get_running_loop(),
        max_waiting=10,
        slow_s=10.0,
        on_slow=lambda _name, _seconds: None,
    )
    for _ in range(2):
        with pytest.raises(sqlite3.OperationalError, match="disk I/O"):
            await readers.submit(lambda tx: tx.all("SELECT a FROM t"))
    with pytest.raises(LookupError):
        await readers.submit(_not_found)
    readers.stop()
    readers.join()


def _not_found(tx: Tx) -> None:
    raise LookupError(str(number_of(tx)))


def number_of(tx: Tx) -> int:
    return len(tx.all("SELECT a FROM t"))
