"""The process dies at every write of a message's way and starts again: one answer, always.

Each step of the way (accepted, its turn begun, its turn ended, taken by the sender, marked as
sent) is one write; the process dies right before it and right after it.
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from msgspec.structs import replace

from carapace.channels.outbox.types import OutboxRow
from carapace.channels.types import Outgoing, ReceiptStatus
from carapace.store.ports import Database
from support.dying_database import DyingDatabase
from support.inbound_house import InboundHouse, open_house
from support.recording_channel import RECORDING_INFO
from support.scripted_provider import say

_MESSAGES = 2
_INFO = replace(RECORDING_INFO, can_look_up=False)
_START_WRITES = 3  # what the start of a house writes before the first message
_STEPS = 16


async def _first_life(folder: Path, at: int, *, after: bool) -> tuple[list[Outgoing], int]:
    """What people saw until the process died, and how many messages were acknowledged."""
    dying: list[DyingDatabase] = []

    def wrap(database: Database) -> Database:
        dying.append(DyingDatabase(database, at=at, after=after))
        return dying[0]

    receipts = 0

    async def deliver(house: InboundHouse) -> None:
        nonlocal receipts
        for number in range(_MESSAGES):
            await house.say(f"hi {number}", f"m{number}")
            receipts += 1
        await _all_delivered(house)
        dying[0].died.set()

    async with open_house(folder, say("answer"), wrap=wrap, info=_INFO) as house:
        house.tasks.start(deliver(house), name="service")
        async with asyncio.timeout(10):
            await dying[0].died.wait()
        return list(house.account.seen), receipts


async def _all_delivered(house: InboundHouse) -> list[OutboxRow]:
    """The outbox, once every answer is delivered and that is on disk."""
    while True:
        rows = await house.outbox_rows()
        if len(rows) == _MESSAGES and all(row.state == "delivered" for row in rows):
            return rows
        await asyncio.sleep(0.005)


@pytest.mark.slow
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(_START_WRITES + 1, _START_WRITES + _STEPS))
async def test_a_death_at_any_write_leaves_one_answer_for_each_message(at: int, *, after: bool):
    with tempfile.TemporaryDirectory(prefix="carapace-crash-") as name:
        folder = Path(name)
        seen, receipts = await _first_life(folder, at, after=after)
        async with open_house(folder, say("answer"), info=_INFO) as house:
            for number in range(_MESSAGES):
                receipt = await house.say(f"hi {number}", f"m{number}")
                if number < receipts:
                    assert receipt.status is ReceiptStatus.DUPLICATE
            async with asyncio.timeout(10):
                rows = await _all_delivered(house)
            inbox = await house.inbox_rows()
            assert [row.state for row in inbox] == ["done", "done"]
            assert [row.run_id for row in rows] == [row.run_id for row in inbox]
            history = await house.house.sessions.history("main")
            assert [one.role for one in history] == ["user", "assistant"] * _MESSAGES
            again = {one.idempotency_key: one for one in house.account.seen}
            first = {one.idempotency_key for one in seen}
            assert first | again.keys() == {row.idempotency_key for row in rows}
            assert len(house.account.seen) == len(again)
            assert all(again[key].may_be_repeat for key in first & again.keys())
