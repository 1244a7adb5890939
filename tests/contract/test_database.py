"""What every `Database` must keep, whatever it is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from carapace.errors import Failed
from carapace.store.ports import Database, Tx
from support.database import memory_database


@pytest.fixture(name="database", params=["sqlite"])
async def _database() -> AsyncGenerator[Database]:
    async with memory_database() as database:
        await database.write(
            lambda tx: tx.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT) STRICT")
        )
        yield database


def add(text: str):
    def add_note(tx: Tx) -> int:
        tx.execute("INSERT INTO notes (text) VALUES (?)", (text,))
        row = tx.one("SELECT max(id) AS id FROM notes")
        assert row is not None
        return row["id"]

    return add_note


def texts(tx: Tx) -> list[str]:
    return [row["text"] for row in tx.all("SELECT text FROM notes ORDER BY id")]


async def test_an_awaited_write_is_seen_by_every_later_read(database: Database):
    for number in range(20):
        await database.write(add(f"{number}"))
        assert len(await database.read(texts)) == number + 1


async def test_a_write_returns_what_its_function_returned(database: Database):
    assert await database.write(add("one")) == 1


async def test_writes_of_one_caller_keep_their_order(database: Database):
    async with asyncio.TaskGroup() as group:
        for number in range(50):
            group.create_task(database.write(add(f"{number}")))
    assert await database.read(texts) == [f"{number}" for number in range(50)]


async def test_a_function_that_raises_is_undone_and_its_neighbours_are_not(database: Database):
    def fail(tx: Tx) -> None:
        add("never")(tx)
        raise ValueError("changed my mind")

    results = await asyncio.gather(
        database.write(add("before")),
        database.write(fail),
        database.write(add("after")),
        return_exceptions=True,
    )
    assert isinstance(results[1], ValueError)
    assert await database.read(texts) == ["before", "after"]


async def test_a_read_cannot_write(database: Database):
    with pytest.raises(Exception, match="readonly"):
        await database.read(add("never"))
    assert await database.read(texts) == []


async def test_a_read_that_raises_leaves_the_reader_usable(database: Database):
    def fail(_: Tx) -> None:
        raise LookupError("nothing")

    for _ in range(5):
        with pytest.raises(LookupError):
            await database.read(fail)
    assert await database.read(texts) == []


async def test_a_read_sees_one_snapshot(database: Database):
    """A write between two statements of one read is not seen by the second."""
    await database.write(add("one"))
    loop = asyncio.get_running_loop()

    def count_twice(tx: Tx) -> tuple[int, int]:
        first = len(texts(tx))
        asyncio.run_coroutine_threadsafe(database.write(add("two")), loop).result(5)
        return first, len(texts(tx))

    assert await database.read(count_twice) == (1, 1)
    assert await database.read(texts) == ["one", "two"]


async def test_a_cancelled_write_happens_in_full_or_not_at_all(database: Database):
    async def write_pair() -> None:
        def pair(tx: Tx) -> None:
            add("left")(tx)
            add("right")(tx)

        await database.write(pair)

    for step in range(10):
        task = asyncio.create_task(write_pair())
        for _ in range(step % 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await database.write(lambda tx: tx.execute("SELECT 1"))  # all earlier writes are through
    found = await database.read(texts)
    assert found == ["left", "right"] * (len(found) // 2)


async def test_rows_answer_to_names_and_positions(database: Database):
    await database.write(add("one"))
    row = await database.read(lambda tx: tx.one("SELECT id, text FROM notes"))
    assert row is not None
    assert (row["id"], row[1], row.keys(), len(row), list(row)) == (
        1,
        "one",
        ["id", "text"],
        2,
        [1, "one"],
    )
    assert await database.read(lambda tx: tx.one("SELECT 1 WHERE 0")) is None


async def test_named_parameters_are_bound(database: Database):
    def put(tx: Tx) -> int:
        return tx.execute("INSERT INTO notes (text) VALUES (:text)", {"text": "'); DROP TABLE"})

    assert await database.write(put) == 1
    assert await database.read(texts) == ["'); DROP TABLE"]


async def test_after_close_everything_is_refused_and_a_second_close_is_fine(database: Database):
    await database.close()
    with pytest.raises(Failed, match="stopping") as caught:
        await database.write(add("late"))
    assert caught.value.retryable
    with pytest.raises(Failed, match="stopping"):
        await database.read(texts)
    await database.close()


async def test_close_finishes_what_waits():
    async with memory_database() as database:
        await database.write(lambda tx: tx.execute("CREATE TABLE t (a INTEGER) STRICT"))
        waiting = [
            asyncio.create_task(database.write(lambda tx: tx.execute("INSERT INTO t VALUES (1)")))
            for _ in range(20)
        ]
        await asyncio.sleep(0)
        await database.close()
        assert await asyncio.gather(*waiting) == [1] * 20
