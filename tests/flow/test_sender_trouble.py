"""The sender through crashes, with a disk that fails, and with a clock that jumps."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from carapace.channels.outbox.types import Cause, OutboxState
from carapace.channels.types import Dead, RetryAfter
from carapace.store.errors import WriteLost, WriteUnknown
from support.clock import FakeClock
from support.faulty_database import FaultyDatabase
from support.outbox import BLIND, DROPS, LOOKS_UP, SendingHouse, sending_house
from support.polling import until
from support.recording_channel import Step


class JumpingClock(FakeClock):
    """A clock whose wall time can be set."""

    jump_s: float = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.jump_s)


def faulty(house: SendingHouse) -> FaultyDatabase:
    assert isinstance(house.database, FaultyDatabase)
    return house.database


async def test_who_was_not_told_before_a_crash_is_told_after_it(tmp_path: Path):
    async with sending_house(folder=tmp_path) as house:
        house.ears.failures = [ValueError("no session")] * 100
        house.account.script(Dead(reason="blocked"))
        house.start()
        key = await house.put("a")
        await house.ended(key)
    async with sending_house(folder=tmp_path) as house:
        house.start()
        await asyncio.wait_for(house.ears.heard.wait(), 5)
        assert [one.outbox_id for one in house.ears.dead] == [key]


@pytest.mark.parametrize(("info", "marks"), [(BLIND, [True]), (DROPS, [False]), (LOOKS_UP, [])])
async def test_a_crash_while_sending_never_makes_an_unmarked_copy(
    tmp_path: Path, info: Any, marks: list[bool]
):
    async with sending_house(info=info, folder=tmp_path) as house:
        house.account.script(Step(arrives=True))
        house.account.hold()
        house.start()
        key = await house.put("a")
        await house.account.sent_at_least(1)
        service = house.account
        await house.stop()
    async with sending_house(info=info, folder=tmp_path) as house:
        service.sent.clear()
        service.release()
        house.accounts["default"] = service
        house.start()
        [row] = await house.ended(key)
        assert [one.may_be_repeat for one in service.sent] == marks
        assert row.failures == 0
        copies = [one for one in service.seen if not one.may_be_repeat]
        assert len(copies) == 1


async def test_recovery_burns_no_retries_and_waits_for_the_channel(tmp_path: Path):
    async with sending_house(folder=tmp_path) as house:
        house.account.hold()
        house.start()
        key = await house.put("a")
        await house.account.sent_at_least(1)
        await house.stop()
    clock = FakeClock()
    async with sending_house(folder=tmp_path, clock=clock) as house:
        found = await house.sender.recover()
        assert found.unknown == 1
        house.account.problem = "connecting"
        house.start()
        await clock.advance(20)
        row = await house.row(key)
        assert (row.state, row.attempts, row.failures) == (OutboxState.UNKNOWN, 1, 0)
        house.account.problem = None
        await clock.advance(0.5)
        await house.ended(key)


async def test_a_full_disk_pauses_and_the_result_is_not_sent_again():
    async with sending_house(wrap=FaultyDatabase) as house:
        house.account.hold()
        key = await house.put("a")
        house.start()
        await house.account.sent_at_least(1)
        faulty(house).constant = WriteLost("The disk is full.")
        house.account.release()
        await until(lambda: faulty(house).failed >= 2)
        assert house.sender.check() is not None
        assert house.sender.in_flight == 1
        faulty(house).constant = None
        [row] = await house.ended(key)
        assert row.state is OutboxState.DELIVERED
        assert house.account.texts() == ["a"]
        await until(lambda: house.sender.check() is None)


@pytest.mark.slow
@pytest.mark.parametrize("is_written", [True, False])
async def test_a_commit_that_does_not_report_back_costs_no_copy(is_written: bool):
    async with sending_house(wrap=FaultyDatabase) as house:
        house.start()
        await house.ended(await house.put("first"))
        key = await house.put("a")
        faulty(house).faults = [(WriteUnknown("No answer."), is_written)] * 3
        [row] = await house.ended(key)
        assert house.account.texts() == ["first", "a"]
        assert (row.state, row.may_be_repeat) == (OutboxState.DELIVERED, False)


@pytest.mark.slow
async def test_a_start_on_a_disk_in_trouble_waits_for_it():
    async with sending_house(wrap=FaultyDatabase) as house:
        key = await house.put("a")
        faulty(house).faults = [(WriteLost("Full."), False)] * 2
        house.start()
        await house.ended(key)
        assert house.account.texts() == ["a"]


async def test_a_fault_of_ours_in_a_step_pauses_and_goes_on():
    async with sending_house(wrap=FaultyDatabase) as house:
        house.start()
        await house.ended(await house.put("first"))
        faulty(house).faults = [(ZeroDivisionError("bug"), False)]
        await house.database.read(lambda tx: tx.one("SELECT 1"))
        house.outbox.notify()
        await until(lambda: faulty(house).failed == 1)
        await house.ended(await house.put("a"))


async def test_a_clock_set_forward_expires_messages_with_a_notice():
    clock = JumpingClock()
    async with sending_house(clock=clock) as house:
        house.account.problem = "connecting"
        key = await house.put("a")
        house.start()
        await clock.advance(1)
        clock.jump_s = 86_400
        await clock.advance(10)
        [row] = await house.ended(key)
        assert row.cause is Cause.EXPIRED
        await asyncio.wait_for(house.ears.heard.wait(), 5)


@pytest.mark.slow
async def test_a_clock_set_back_neither_loses_nor_holds_messages():
    clock = JumpingClock()
    async with sending_house(clock=clock) as house:
        house.account.script(RetryAfter(reason="busy", after_s=60))
        key = await house.put("a")
        house.start()
        await house.failed_once(key)
        clock.jump_s = -10 * 86_400
        # Woken by its heartbeat the sender brings the retry near: an hour at most.
        for _ in range(20):
            await clock.advance(5)
            await asyncio.sleep(0.005)

        async def is_near() -> bool:
            return (await house.row(key)).next_at_ms <= clock.now_ms() + 3_600_000

        await house.until(is_near)
        for _ in range(40):
            await clock.advance(120)
            await asyncio.sleep(0.002)
        [row] = await house.ended(key)
        assert row.state in {OutboxState.DELIVERED, OutboxState.DEAD}
        assert len(house.account.sent) <= 2


async def test_a_clock_set_back_while_the_disk_is_full_is_not_forgotten():
    clock = JumpingClock()
    async with sending_house(clock=clock, wrap=FaultyDatabase) as house:
        house.start()
        await house.ended(await house.put("first"))
        house.account.script(RetryAfter(reason="busy", after_s=3_500))
        key = await house.put("a", ttl_s=7_200)
        await house.failed_once(key)
        faulty(house).constant = WriteLost("The disk is full.")
        clock.jump_s = -86_400
        house.outbox.notify()
        await until(lambda: faulty(house).failed)
        faulty(house).constant = None
        [row] = await house.ended(key)
        assert row.state is OutboxState.DELIVERED
        assert len(house.account.sent) == 3
