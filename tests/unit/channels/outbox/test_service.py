"""The outbox as a service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from carapace.channels.outbox import records
from carapace.channels.outbox.claims import Grant, Plan, step
from carapace.channels.outbox.service import Outbox
from carapace.channels.outbox.types import (
    AccountKey,
    Cause,
    OutboxQuery,
    OutboxRow,
    OutboxState,
    Queued,
)
from carapace.errors import Refused
from carapace.provenance import OWNER
from carapace.store.errors import DatabaseBusy, WriteUnknown
from carapace.store.ports import Database, Tx
from support.clock import FakeClock
from support.database import memory_database
from support.outbox import outgoing


@pytest.fixture
async def database():
    async with memory_database() as made:
        yield made


@pytest.fixture
def outbox(database: Database) -> Outbox:
    return Outbox(database, FakeClock())


async def close(database: Database, outbox_id: int, state: OutboxState) -> None:
    def end(tx: Tx) -> None:
        row = records.find(tx, outbox_id)
        assert row is not None
        cause = Cause.REFUSED if state is OutboxState.DEAD else None
        records.close(tx, row, state=state, now_ms=1, cause=cause)

    await database.write(end)


async def take(database: Database, now_ms: int) -> OutboxRow:
    grant = Grant(key=("recording", "default"), limit=1)
    plan = Plan(now_ms=now_ms, lease_ms=1_000, max_wait_ms=1_000, grants=(grant,))
    taken = await database.write(lambda tx: step(tx, plan))
    return taken.rows[0]


async def test_a_file_that_is_gone_leaves_no_row(database: Database):
    kept: list[tuple[str, str]] = []

    def keep(_tx: Tx, media_id: str, owner: str) -> bool:
        kept.append((media_id, owner))
        return media_id != "m-gone"

    outbox = Outbox(database, FakeClock(), keep_media=keep)
    with pytest.raises(Refused, match="not there any more"):
        await outbox.put(outgoing("k", media=("m-gone",)), provenance=OWNER)
    assert await outbox.find("k") is None
    kept.clear()
    first = await outbox.put(outgoing("k", media=("m-1", "m-2")), provenance=OWNER)
    again = await outbox.put(outgoing("k", media=("m-1", "m-2")), provenance=OWNER)
    owner = records.media_owner(first.outbox_id)
    assert kept == [("m-1", owner), ("m-2", owner)]
    assert first.outbox_id == again.outbox_id == await outbox.find("k")


async def put(outbox: Outbox, key: str = "k", **more: Any) -> int:
    return (await outbox.put(outgoing(key), provenance=OWNER, **more)).outbox_id


async def test_what_was_put_is_there_with_its_time_to_live(outbox: Outbox):
    clock = FakeClock()
    queued = await outbox.put(outgoing("k"), provenance=OWNER, run_id="r", group="g")
    assert queued.is_new
    detail = await outbox.get(queued.outbox_id)
    assert detail is not None
    row = detail.row
    assert row.expires_at_ms - row.created_at_ms == 3_600_000
    assert row.created_at_ms == clock.now_ms()
    assert (row.run_id, row.part_of, detail.attempts) == ("r", "g", ())


async def test_the_time_to_live_is_the_caller_s_or_the_house_s(outbox: Outbox):
    outbox.apply(ttl_s=10)
    assert outbox.ttl_s == 10
    for number, (given, life_ms) in enumerate(((None, 10_000), (2.5, 2_500))):
        detail = await outbox.get(await put(outbox, f"k{number}", ttl_s=given))
        assert detail is not None
        assert detail.row.expires_at_ms - detail.row.created_at_ms == life_ms


async def test_the_same_key_again_is_the_same_row(outbox: Outbox):
    first = await outbox.put(outgoing("k"), provenance=OWNER)
    again = await outbox.put(outgoing("k", "elsewhere"), provenance=OWNER)
    assert again == Queued(outbox_id=first.outbox_id, is_new=False)


async def test_the_sender_is_woken_with_the_account(outbox: Outbox):
    woken: list[tuple[AccountKey, ...]] = []
    outbox.notify()
    outbox.send_with(woken.append, lambda _: None)
    await put(outbox)
    outbox.notify()
    assert woken == [(("recording", "default"),), ()]


class Shaky:
    """A database whose commits report back wrongly a few times."""

    def __init__(self, database: Database, *errors: tuple[Exception, bool]) -> None:
        self._database = database
        self._errors = list(errors)

    async def read(self, fn: Callable[[Tx], Any]) -> Any:
        return await self._database.read(fn)

    async def write(self, fn: Callable[[Tx], Any]) -> Any:
        if not self._errors:
            return await self._database.write(fn)
        error, is_written = self._errors.pop(0)
        if is_written:
            await self._database.write(fn)
        raise error

    async def close(self) -> None:
        raise AssertionError


@pytest.mark.parametrize("is_written", [True, False])
async def test_an_unknown_commit_is_repeated_by_key(database: Database, is_written: bool):
    shaky = Shaky(database, (WriteUnknown("No answer."), is_written))
    outbox = Outbox(shaky, FakeClock())
    queued = await outbox.put(outgoing("k"), provenance=OWNER)
    assert queued.is_new is not is_written
    page = await outbox.page(OutboxQuery())
    assert [row.outbox_id for row in page.rows] == [queued.outbox_id]


async def test_a_commit_that_stays_unknown_is_the_caller_s_to_know(database: Database):
    errors = [(WriteUnknown("No answer."), False)] * 2
    with pytest.raises(WriteUnknown):
        await put(Outbox(Shaky(database, *errors), FakeClock()))


async def test_a_write_that_was_not_taken_is_not_repeated_here(database: Database):
    shaky = Shaky(database, (DatabaseBusy("Full."), False))
    with pytest.raises(DatabaseBusy):
        await put(Outbox(shaky, FakeClock()))


async def test_counts_and_waiting_see_open_rows(outbox: Outbox):
    await put(outbox, "a")
    await put(outbox, "b")
    assert (await outbox.counts()).waiting == 2
    assert await outbox.waiting(outgoing("x").target) == 2
    assert await outbox.waiting(outgoing("x", "elsewhere").target) == 0


async def test_a_row_that_is_not_there_is_none_and_cannot_be_changed(outbox: Outbox):
    assert await outbox.get(99) is None
    for change in (outbox.retry(99), outbox.drop(99, "x")):
        with pytest.raises(Refused, match="There is no message 99"):
            await change


async def test_a_dead_message_is_sent_again_on_demand(outbox: Outbox, database: Database):
    key = await put(outbox)
    await close(database, key, OutboxState.DEAD)
    woken: list[tuple[AccountKey, ...]] = []
    outbox.send_with(woken.append, lambda _: None)
    assert (await outbox.retry(key)).state is OutboxState.WAITING
    assert woken == [(("recording", "default"),)]


async def test_a_delivered_message_is_neither_retried_nor_dropped(
    outbox: Outbox, database: Database
):
    key = await put(outbox)
    await close(database, key, OutboxState.DELIVERED)
    with pytest.raises(Refused, match="delivered already"):
        await outbox.retry(key)
    with pytest.raises(Refused, match="delivered already"):
        await outbox.drop(key, "x")


async def test_what_is_being_sent_is_left_alone(outbox: Outbox, database: Database):
    key = await put(outbox)
    await take(database, FakeClock().now_ms())
    with pytest.raises(Refused, match="being sent right now"):
        await outbox.retry(key)
    with pytest.raises(Refused, match="being sent right now"):
        await outbox.drop(key, "x")


async def test_a_waiting_message_is_dropped_with_its_reason(outbox: Outbox):
    key = await put(outbox)
    dropped = await outbox.drop(key, "typed too fast")
    assert (dropped.state, dropped.cause, dropped.reason) == (
        OutboxState.DEAD,
        Cause.DROPPED,
        "typed too fast",
    )
    with pytest.raises(Refused, match="dead already"):
        await outbox.drop(key, "again")
