"""The inbox: durable before it returns, bounded, woken by events, mended by the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from carapace.channels.inbox import pending, records
from carapace.channels.inbox.batch import Batch
from carapace.channels.inbox.records import InboxQuery, InboxState, NewRow
from carapace.channels.inbox.service import KEEP_BODIES_MS, KEEP_ROWS_MS, Inbox
from carapace.channels.types import EventKind, InboundMedia
from carapace.clock import Clock
from carapace.errors import Failed, Refused
from carapace.ids import SessionKey
from carapace.provenance import Authority, Origin, Provenance
from carapace.store.errors import WriteUnknown
from carapace.store.ports import Database, Tx
from carapace.telemetry.metrics import Metrics
from support.clock import FakeClock
from support.database import memory_database
from support.inbound_house import message

T = TypeVar("T")
PAIRED = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED, sender_id="u1")


def new(message_id: str = "m1", *, lane: str = "a", **more: Any) -> NewRow:
    values: dict[str, Any] = {
        "message": message("hi", message_id, sender="u1"),
        "provenance": PAIRED,
        "lane": lane,
        "session_key": SessionKey("agent:main:main"),
        "received_at_ms": 1,
        "due_at_ms": 1,
        **more,
    }
    return NewRow(**values)


@asynccontextmanager
async def opened(
    clock: Clock | None = None,
    wrap: Callable[[Database], Database] = lambda database: database,
    **options: Any,
) -> AsyncGenerator[tuple[Inbox, Database, Metrics]]:
    metrics = Metrics("0", with_process=False)
    async with memory_database() as real:
        database = wrap(real)
        inbox = Inbox(database, clock or FakeClock(), metrics=metrics, **options)
        await inbox.load()
        yield inbox, real, metrics
        await inbox.aclose()


async def test_what_was_put_is_on_disk_and_taken_once():
    async with opened() as (inbox, database, metrics):
        inbox_id = await inbox.put(new())
        assert inbox_id is not None
        assert await database.read(lambda tx: records.find(tx, inbox_id)) is not None
        assert (inbox.waiting, metrics.inbox_waiting._value.get()) == (1, 1)
        (batch,) = await inbox.take(10)
        assert (batch.inbox_ids, batch.run_id) == ((inbox_id,), f"inbox-{inbox_id}")
        assert await inbox.take(10) == []


async def test_a_repeat_is_known_and_wakes_nobody():
    async with opened() as (inbox, _, _):
        assert await inbox.put(new()) is not None
        assert await inbox.put(new()) is None
        assert inbox.waiting == 1


async def test_what_belongs_to_it_is_in_the_same_transaction():
    def boom(tx: Tx, inbox_id: int) -> None:
        raise Failed(f"no room for what came with {inbox_id}")

    async with opened() as (inbox, database, _):
        with pytest.raises(Failed):
            await inbox.put(new(), also=boom)
        assert await database.read(lambda tx: records.find(tx, 1)) is None
        noted: list[int] = []
        await inbox.put(new(), also=lambda tx, inbox_id: noted.append(inbox_id))
        assert len(noted) == 1


async def test_too_much_is_refused_with_a_time_to_come_again():
    async with opened(max_waiting=3, max_waiting_per_lane=2) as (inbox, _, _):
        for number in range(2):
            await inbox.put(new(f"m{number}"))
        with pytest.raises(Refused, match="this conversation") as refused:
            await inbox.put(new("m2"))
        assert (refused.value.retryable, refused.value.retry_after_ms) == (True, 5_000)
        await inbox.put(new("m2", lane="b"))
        with pytest.raises(Refused, match="3 messages"):
            await inbox.put(new("m3", lane="c"))
        assert inbox.has_waiting("a")
        assert not inbox.has_waiting("c")


async def test_a_lane_goes_on_when_its_batch_has_ended():
    async with opened() as (inbox, database, _):
        for number in range(2):
            await inbox.put(new(f"m{number}"))
        (first,) = await inbox.take(10)
        await database.write(lambda tx: records.ack(tx, first.inbox_ids, reason="x", now_ms=1))
        inbox.release(first, ended=True)
        (second,) = await inbox.take(10)
        assert second.head.message_id == "m1"
        await database.write(lambda tx: records.ack(tx, second.inbox_ids, reason="x", now_ms=1))
        inbox.release(second, ended=True)
        assert await inbox.take(10) == []
        assert inbox.waiting == 0


async def test_what_failed_is_taken_again_after_a_rest():
    clock = FakeClock()
    async with opened(clock) as (inbox, _, _):
        await inbox.put(new())
        (batch,) = await inbox.take(1)
        inbox.release(batch, ended=False, after_s=5.0)
        assert await inbox.take(1) == []
        await clock.advance(5)
        assert len(await inbox.take(1)) == 1


async def test_waiting_ends_when_something_comes_or_time_passes_or_somebody_says_so():
    clock = FakeClock()
    async with opened(clock) as (inbox, _, _), asyncio.TaskGroup() as group:
        inbox._woken.clear()
        task = group.create_task(inbox.due())
        await asyncio.sleep(0)
        await inbox.put(new(), wait_s=3.0)
        await task
        inbox._woken.clear()
        task = group.create_task(inbox.due())
        await clock.advance(2.9)
        assert not task.done()
        await clock.advance(0.2)
        await task
        assert len(await inbox.take(1)) == 1
        task = group.create_task(inbox.due())
        await clock.advance(60)
        assert not task.done()
        inbox.wake()
        await task


async def test_a_due_lane_needs_no_waiting():
    async with opened() as (inbox, _, _):
        await inbox.put(new())
        async with asyncio.timeout(1):
            await inbox.due()


async def test_what_waits_on_disk_is_known_after_a_restart():
    clock = FakeClock()
    async with opened(clock) as (inbox, database, metrics):
        await inbox.put(new("m1", due_at_ms=clock.now_ms() + 2_000))
        await inbox.put(new("m2", lane="b", due_at_ms=clock.now_ms() + 10**12))
        after = Inbox(database, clock, metrics=metrics)
        await after.load()
        assert after.waiting == 2
        assert await after.take(9) == []
        await clock.advance(2)
        assert len(await after.take(9)) == 1
        await clock.advance(58)
        assert len(await after.take(9)) == 1


class Unsure:
    """A disk whose next commit works and is not reported."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.is_unsure = False
        self.fails_reads = False

    async def read(self, fn: Callable[[Tx], T]) -> T:
        if self.fails_reads:
            self.fails_reads = False
            raise Failed("unreadable")
        return await self._database.read(fn)

    async def write(self, fn: Callable[[Tx], T]) -> T:
        done = await self._database.write(fn)
        if self.is_unsure:
            self.is_unsure = False
            raise WriteUnknown("who knows")
        return done

    async def close(self) -> None:
        await self._database.close()


async def test_a_write_that_may_have_happened_is_looked_up():
    made: list[Unsure] = []

    def wrap(database: Database) -> Database:
        made.append(Unsure(database))
        return made[0]

    async with opened(wrap=wrap) as (inbox, _, _):
        made[0].is_unsure = True
        with pytest.raises(WriteUnknown):
            await inbox.put(new())
        assert inbox.waiting == 0
        await inbox.due()
        assert len(await inbox.take(1)) == 1
        assert inbox.waiting == 1


async def test_lanes_are_due_again_if_the_disk_cannot_be_read():
    clock = FakeClock()
    made: list[Unsure] = []

    def wrap(database: Database) -> Database:
        made.append(Unsure(database))
        return made[0]

    async with opened(clock, wrap=wrap) as (inbox, _, _):
        await inbox.put(new())
        await clock.advance(0.1)
        made[0].fails_reads = True
        with pytest.raises(Failed):
            await inbox.take(1)
        await clock.advance(1)
        assert len(await inbox.take(1)) == 1


@asynccontextmanager
async def opened_unreadable() -> AsyncGenerator[tuple[Inbox, Database, FakeClock]]:
    """An inbox whose next look at the disk fails."""
    clock = FakeClock()

    def wrap(database: Database) -> Database:
        made = Unsure(database)
        made.fails_reads = True
        return made

    async with opened(clock, wrap=wrap) as (inbox, database, _):
        yield inbox, database, clock


async def test_what_was_just_written_is_not_read_again():
    async with opened_unreadable() as (inbox, _, _):
        inbox_id = await inbox.put(new())
        (batch,) = await inbox.take(1)
        assert batch.inbox_ids == (inbox_id,)
        assert batch.head.message == new().message


async def test_what_was_written_a_while_ago_is_read_since_it_may_have_changed():
    clock = FakeClock()
    edit = message("better", "e1", sender="u1", kind=EventKind.EDIT, about_message_id="m1")
    async with opened(clock) as (inbox, database, _):
        await inbox.put(new())
        assert await database.write(lambda tx: records.revise(tx, edit, "a"))
        await clock.advance(0.06)
        (batch,) = await inbox.take(1)
        assert batch.head.message is not None
        assert batch.head.message.text == "better"


async def test_a_lane_with_more_rows_than_were_seen_is_read():
    async with opened_unreadable() as (inbox, _, _):
        await inbox.put(new("m1"))
        await inbox.put(new("m2"))
        with pytest.raises(Failed):
            await inbox.take(1)


async def test_a_row_that_another_put_saw_is_not_taken_twice():
    may_return = asyncio.Event()

    class SecondIsLate(Unsure):
        writes = 0

        async def write(self, fn: Callable[[Tx], T]) -> T:
            done = await self._database.write(fn)
            if fn is not records.lanes:
                SecondIsLate.writes += 1
                if SecondIsLate.writes == 2:
                    await may_return.wait()
            return done

    async with opened(wrap=SecondIsLate) as (inbox, database, _):
        first, second = (asyncio.create_task(inbox.put(new(name))) for name in ("m1", "m2"))
        assert await first == 1
        (batch,) = await inbox.take(1)
        assert batch.inbox_ids == (1,)
        may_return.set()
        assert await second == 2
        await database.write(lambda tx: records.ack(tx, [1], reason="answered", now_ms=1))
        inbox.release(batch, ended=True)
        (batch,) = await inbox.take(1)
        assert batch.inbox_ids == (2,)


async def test_what_waits_for_more_text_is_read_when_it_is_due():
    async with opened_unreadable() as (inbox, _, clock):
        await inbox.put(new(), wait_s=0.01)
        await clock.advance(0.02)
        with pytest.raises(Failed):
            await inbox.take(1)


async def test_what_comes_while_the_disk_is_read_is_not_missed():
    started, may_end = asyncio.Event(), asyncio.Event()

    class Slow(Unsure):
        async def write(self, fn: Callable[[Tx], T]) -> T:
            done = await self._database.write(fn)
            if fn is records.lanes:
                started.set()
                await may_end.wait()
            return done

    may_end.set()
    async with opened(wrap=Slow) as (inbox, _, _), asyncio.TaskGroup() as group:
        started.clear()
        may_end.clear()
        task = group.create_task(inbox.load())
        await started.wait()
        await inbox.put(new())
        may_end.set()
        await task
        assert len(await inbox.take(1)) == 1


async def test_advisory_e14_what_cannot_be_read_is_a_dead_letter_and_blocks_nobody():
    async with opened() as (inbox, database, metrics):
        await inbox.put(new("m1"))
        await inbox.put(new("m2"))
        await database.write(
            lambda tx: tx.execute("UPDATE inbox SET provenance='?' WHERE inbox_id=1")
        )
        assert await inbox.take(1) == []
        (batch,) = await inbox.take(1)
        assert batch.head.message_id == "m2"
        dead = await inbox.get(1)
        assert dead is not None
        assert dead.state == "dead"
        assert "cannot be read" in (dead.reason or "")
        assert metrics.inbox_dead._value.get() == 1


async def test_a_start_before_dangerous_work_counts_and_fixes_the_context():
    async with opened() as (inbox, database, _):
        await database.write(
            lambda tx: pending.add(tx, "a", message("x"), Authority.GUEST, now_ms=1, limit=9)
        )
        await inbox.put(new())
        (batch,) = await inbox.take(1)
        assert batch.context is not None
        await inbox.begin(batch)
        await database.write(
            lambda tx: pending.add(tx, "a", message("y"), Authority.GUEST, now_ms=1, limit=9)
        )
        row = await inbox.get(1)
        assert row is not None
        assert (row.attempts, row.state, row.run_id) == (1, "working", "inbox-1")
        inbox.release(batch, ended=False)
        (again,) = await inbox.take(1)
        assert again.context == batch.context
        await inbox.put_back(again)
        row = await inbox.get(1)
        assert row is not None
        assert (row.attempts, row.state) == (0, "waiting")


async def test_advisory_e13_a_batch_may_do_what_all_of_its_words_may():
    async with opened() as (inbox, database, _):
        stranger = Provenance(origin=Origin.CHANNEL, authority=Authority.OUTSIDE, sender_id="u9")
        await inbox.put(new("m1", is_joinable=True))
        await inbox.put(new("m2", is_joinable=True, provenance=stranger))
        (batch,) = await inbox.take(1)
        assert len(batch.rows) == 2
        assert (batch.provenance.authority, batch.provenance.sender_id) == (Authority.OUTSIDE, None)
        context = await database.write(lambda tx: _said(tx, Authority.NONE))
        assert Batch(batch.rows[:1], context).provenance.authority is Authority.NONE
        assert Batch(batch.rows[:1]).provenance == PAIRED


def _said(tx: Tx, authority: Authority) -> pending.PendingContext | None:
    pending.add(tx, "z", message("x"), authority, now_ms=1, limit=9)
    return pending.context(tx, "z")


async def test_a_dead_letter_is_replayed_as_a_run_of_its_own():
    async with opened() as (inbox, _, _):
        await inbox.put(new())
        with pytest.raises(Refused, match="no dead letter 1"):
            await inbox.replay(1)
        (batch,) = await inbox.take(1)
        await inbox.kill([1], reason="why not")
        inbox.release(batch, ended=True)
        assert await inbox.take(1) == []
        assert (await inbox.replay(1)).replays == 1
        (again,) = await inbox.take(1)
        assert again.run_id == "inbox-1-r1"
        with pytest.raises(Refused):
            await inbox.replay(7)


async def test_it_can_be_listed_counted_and_pruned():
    clock = FakeClock()
    async with opened(clock) as (inbox, database, _):
        now_ms = clock.now_ms()
        for number in range(3):
            await inbox.put(new(f"m{number}", lane=str(number)))
        for one, age_ms in ((1, KEEP_BODIES_MS + 1), (2, KEEP_ROWS_MS + 1)):
            await database.write(
                lambda tx, i=one, a=age_ms: records.ack(tx, (i,), reason="x", now_ms=now_ms - a)
            )
        assert await inbox.prune() == 1
        rows = await inbox.page(InboxQuery())
        assert [(row.inbox_id, row.message is None) for row in rows] == [(3, False), (1, True)]
        assert (await inbox.counts())[InboxState.WAITING] == 1


async def test_files_are_let_go_with_the_message_they_came_with():
    clock, released = FakeClock(), list[str]()
    media = (InboundMedia(media_id="f1"),)

    def release(tx: Tx, owner: str) -> None:
        released.append(owner)

    async with opened(clock, release_media=release) as (inbox, database, _):
        now_ms = clock.now_ms()
        with_file = [
            new(name, message=message("x", name, media=media)) for name in ("m1", "m2", "m3")
        ]
        for row in (*with_file, new("plain")):
            await inbox.put(row)
        old_ms = now_ms - KEEP_BODIES_MS - 1
        await database.write(lambda tx: records.ack(tx, (1, 4), reason="x", now_ms=old_ms))
        await database.write(lambda tx: records.kill(tx, (2,), reason="x", now_ms=old_ms))
        await inbox.prune()
        assert released == ["inbox-1"]
        await clock.advance((KEEP_ROWS_MS - KEEP_BODIES_MS) / 1000)
        await inbox.prune()
        assert released == ["inbox-1", "inbox-2"]


async def test_it_is_pruned_every_hour_whatever_the_disk_says():
    clock, made = FakeClock(), list[Unsure]()

    def wrap(database: Database) -> Database:
        made.append(Unsure(database))
        return made[0]

    async with opened(clock, wrap=wrap) as (inbox, database, _):
        await inbox.put(new())
        old_ms = clock.now_ms() - KEEP_ROWS_MS
        await database.write(lambda tx: records.ack(tx, (1,), reason="x", now_ms=old_ms))
        made[0].is_unsure = True
        inbox.keep_tidy()
        async with asyncio.timeout(5):
            while True:
                if not made[0].is_unsure:
                    break
                await asyncio.sleep(0.001)
        await clock.advance(3_600)
        async with asyncio.timeout(5):
            while True:
                if await inbox.get(1) is None:
                    break
                await asyncio.sleep(0.001)
