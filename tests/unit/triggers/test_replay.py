"""Requests are remembered over a restart, for each account, within bounds."""

from __future__ import annotations

from carapace.store.ports import Database, Tx
from carapace.triggers.replay import Claim, ReplayMemory, replay_digest
from carapace.triggers.webhook_types import Replay, Verified
from support.clock import FakeClock
from support.database import memory_database


def begin(memory: ReplayMemory, key: bytes = b"k", account: str = "a") -> Claim:
    replay = Replay(key=key, ttl_s=60)
    claim = memory.begin("test", Verified(account=account, replay=replay), replay)
    assert claim is not None
    return claim


async def handle(memory: ReplayMemory, status: int = 200, **more: str) -> bool:
    """One whole request; whether it was handled."""
    claim = begin(memory, **more)  # type: ignore[arg-type]
    try:
        if await memory.is_repeated(claim, remembers=False):
            return False
        await memory.settle(claim, status)
        return True
    finally:
        memory.end(claim)


async def rows(database: Database) -> int:
    def work(tx: Tx) -> int:
        row = tx.one("SELECT count(*) FROM webhook_replay")
        assert row is not None
        return row[0]

    return await database.read(work)


async def test_the_same_is_handled_once_and_by_another_process_not_again():
    clock = FakeClock()
    async with memory_database() as database:
        assert await handle(ReplayMemory(database, clock))
        assert not await handle(ReplayMemory(database, clock))
        assert await handle(ReplayMemory(database, clock), account="b")


async def test_it_is_forgotten_after_its_time():
    clock = FakeClock()
    async with memory_database() as database:
        memory = ReplayMemory(database, clock)
        assert await handle(memory)
        await clock.advance(60)
        assert await handle(memory)


async def test_what_failed_may_come_again():
    async with memory_database() as database:
        memory = ReplayMemory(database, FakeClock())
        assert await handle(memory, 503)
        assert await rows(database) == 0
        assert await handle(memory)


async def test_a_handling_that_a_crash_cut_short_is_done_again():
    clock = FakeClock()
    async with memory_database() as database:
        claim = begin(ReplayMemory(database, clock))
        assert not await ReplayMemory(database, clock).is_repeated(claim, remembers=False)
        assert await rows(database) == 1
        assert await handle(ReplayMemory(database, clock))


async def test_only_one_at_a_time():
    async with memory_database() as database:
        memory = ReplayMemory(database, FakeClock())
        claim = begin(memory)
        replay = Replay(key=b"k")
        assert memory.begin("test", Verified(account="a", replay=replay), replay) is None
        memory.end(claim)
        assert begin(memory)


async def test_a_handler_keeps_it_in_its_own_transaction():
    async with memory_database() as database:
        memory = ReplayMemory(database, FakeClock())
        claim = begin(memory)
        assert not await memory.is_repeated(claim, remembers=True)
        assert await rows(database) == 0
        assert await database.write(claim.keep)
        assert await memory.is_repeated(claim, remembers=True)
        assert not await database.write(claim.keep)


async def test_the_memory_is_bounded():
    clock = FakeClock()
    async with memory_database() as database:
        memory = ReplayMemory(database, clock, max_rows=10)
        for number in range(256):
            await clock.advance(0.001)
            claim = begin(memory, str(number).encode())
            if number % 2:
                await database.write(claim.keep)
            else:
                await memory.is_repeated(claim, remembers=False)
            memory.end(claim)
        assert await rows(database) == 10


def test_a_digest_is_nobody_elses():
    parts = [("a", "bc", b"d"), ("ab", "c", b"d"), ("a", "b", b"cd"), ("", "abc", b"d")]
    found = {replay_digest(*one) for one in parts}
    assert len(found) == len(parts)
    assert all(len(one) == 32 for one in found)
