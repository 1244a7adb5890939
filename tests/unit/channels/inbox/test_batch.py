"""What a group of rows may cause, and batches that need not be read again."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from carapace.channels.inbox import records
from carapace.channels.inbox.batch import Batch, FreshBatches
from carapace.channels.inbox.pending import PendingContext
from carapace.channels.inbox.records import InboxRow, NewRow
from carapace.ids import SessionKey
from carapace.provenance import Authority, Origin, Provenance
from support.database import memory_database
from support.inbound_house import message

PAIRED = Provenance(origin=Origin.CHANNEL, authority=Authority.PAIRED, sender_id="u1")


@pytest.fixture(name="row")
async def _row() -> InboxRow:
    new = NewRow(
        message=message("hi", "m1", sender="u1"),
        provenance=PAIRED,
        lane="a",
        session_key=SessionKey("agent:main:main"),
        received_at_ms=1,
        due_at_ms=1,
    )
    async with memory_database() as database:
        await database.write(lambda tx: records.insert(tx, new))
        found = await database.read(lambda tx: records.find(tx, 1))
    assert found is not None
    return found


async def test_a_batch_is_called_after_its_first_row_and_how_often_it_was_replayed(row: InboxRow):
    second = replace(row, inbox_id=2)
    batch = Batch((row, second))
    assert (batch.head, batch.inbox_ids, batch.run_id) == (row, (1, 2), "inbox-1")
    assert Batch((replace(row, replays=2),)).run_id == "inbox-1-r2"
    assert Batch((replace(row, run_id="kept"), second)).run_id == "kept"


async def test_a_batch_may_cause_what_the_least_of_its_words_may(row: InboxRow):
    outside = replace(row, provenance=replace(PAIRED, authority=Authority.OUTSIDE))
    assert Batch((row,)).provenance.authority is Authority.PAIRED
    assert Batch((row, outside)).provenance.authority is Authority.OUTSIDE
    context = PendingContext(("{}",), 1, Authority.OUTSIDE)
    assert Batch((row,), context).provenance.authority is Authority.OUTSIDE


async def test_a_fresh_batch_is_given_once_and_not_for_long(row: InboxRow):
    fresh, batch = FreshBatches(), Batch((row,))
    fresh.keep("a", batch, now_s=1.0)
    assert fresh.take("b", now_s=1.0) is None
    assert fresh.take("a", now_s=1.04) is batch
    assert fresh.take("a", now_s=1.04) is None
    fresh.keep("a", batch, now_s=1.0)
    assert fresh.take("a", now_s=1.06) is None


async def test_fresh_batches_are_bounded_and_can_be_let_go(row: InboxRow):
    fresh = FreshBatches()
    for number in range(65):
        fresh.keep(f"lane {number}", Batch((row,)), now_s=1.0)
    assert fresh.take("lane 0", now_s=1.0) is None
    assert fresh.take("lane 1", now_s=1.0) is not None
    fresh.clear()
    assert fresh.take("lane 64", now_s=1.0) is None
