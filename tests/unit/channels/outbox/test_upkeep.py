"""The outbox stays small, and its figures are true."""

from __future__ import annotations

import asyncio

import pytest

from carapace.channels.outbox import records
from carapace.channels.outbox.types import Cause, OutboxState
from carapace.channels.outbox.upkeep import Upkeep
from carapace.store.errors import DatabaseClosed
from carapace.store.ports import Database, Tx
from carapace.telemetry.exposition import render
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.database import memory_database
from support.outbox import put
from support.polling import until

DAY_S = 86_400


@pytest.fixture
async def database():
    async with memory_database() as made:
        yield made


def end(tx: Tx, key: str, state: OutboxState, now_ms: int) -> int:
    row = records.find(tx, put(tx, key))
    assert row is not None
    cause = Cause.REFUSED if state is OutboxState.DEAD else None
    records.close(tx, row, state=state, now_ms=now_ms, cause=cause)
    return row.outbox_id


def figures(metrics: Metrics) -> str:
    return render(metrics)[0].decode()


async def test_the_gauges_follow_the_rows(database: Database):
    clock, metrics = FakeClock(), Metrics("1", with_process=False)
    upkeep = Upkeep(database, clock, metrics)
    await upkeep.count()
    assert "carapace_outbox_oldest_age_seconds 0.0" in figures(metrics)
    now_ms = clock.now_ms()
    await database.write(lambda tx: [put(tx, key, at_ms=now_ms) for key in ("a", "b")])
    await clock.advance(30)
    await upkeep.count()
    assert "carapace_outbox_waiting 2.0" in figures(metrics)
    assert "carapace_outbox_oldest_age_seconds 30.0" in figures(metrics)


async def test_delivered_rows_go_after_a_week_and_dead_ones_after_a_month(database: Database):
    clock = FakeClock()
    released: list[str] = []
    upkeep = Upkeep(
        database,
        clock,
        Metrics("1", with_process=False),
        release_media=lambda tx, owner: released.append(owner),
    )
    now_ms = clock.now_ms()
    done = await database.write(lambda tx: end(tx, "a", OutboxState.DELIVERED, now_ms))
    dead = await database.write(lambda tx: end(tx, "b", OutboxState.DEAD, now_ms))
    await clock.advance(7 * DAY_S - 1)
    assert await upkeep.prune() == 0
    await clock.advance(2)
    assert await upkeep.prune() == 1
    assert released == [f"outbox:{done}"]
    await clock.advance(23 * DAY_S)
    assert await upkeep.prune() == 1
    assert released == [f"outbox:{done}", f"outbox:{dead}"]


@pytest.mark.slow
async def test_a_great_many_go_in_small_transactions(database: Database):
    clock = FakeClock()
    upkeep = Upkeep(database, clock, Metrics("1", with_process=False))
    await database.write(
        lambda tx: [end(tx, f"k{n}", OutboxState.DELIVERED, 0) for n in range(1_100)]
    )
    assert await upkeep.prune() == 1_100


async def test_it_runs_by_itself_and_outlives_a_database_in_trouble(database: Database):
    clock, metrics = FakeClock(), Metrics("1", with_process=False)
    reads = 0

    class Flaky:
        async def read(self, fn):
            nonlocal reads
            reads += 1
            if reads == 1:
                raise DatabaseClosed("Not now.")
            return await database.read(fn)

        async def write(self, fn):
            return await database.write(fn)

        async def close(self) -> None:
            raise AssertionError

    await database.write(lambda tx: end(tx, "a", OutboxState.DELIVERED, 0))
    task = asyncio.create_task(Upkeep(Flaky(), clock, metrics).run())
    await until(lambda: reads == 1)
    await clock.advance(10)
    await until(lambda: "carapace_outbox_waiting 0.0" in figures(metrics))

    async def forgotten() -> bool:
        return await database.read(lambda tx: tx.one("SELECT 1 FROM outbox")) is None

    async with asyncio.timeout(5):
        while not await forgotten():  # noqa: ASYNC110 - the database tells of nothing
            await asyncio.sleep(0.002)
    task.cancel()
    await asyncio.wait({task})
