"""Alarms ring at their time, at least once, also after a restart."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from carapace.errors import Failed
from carapace.plugins.capabilities import timer_records
from carapace.plugins.capabilities import timers as module
from carapace.plugins.capabilities.timers import TimersCapability
from carapace.plugins.errors import GuestTrap, PluginUnavailable
from carapace.store.sqlite import SqliteDatabase
from support.capabilities import RecordingEvents, code_of, eventually
from support.clock import FakeClock
from support.database import memory_database


class Rig:
    """Timers of one plugin on a clock that a test moves."""

    def __init__(self, database: SqliteDatabase) -> None:
        self.database = database
        self.clock = FakeClock()
        self.events = RecordingEvents()
        self.timers = self.make()

    def make(self) -> TimersCapability:
        return TimersCapability("demo", self.database, clock=self.clock, events=self.events)

    async def set(self, name: str, in_s: float, payload: str = "p") -> None:
        await self.timers.call("set", [name, self.clock.now_ms() + in_s * 1000, payload])

    async def left(self) -> int:
        return await self.database.read(lambda tx: timer_records.count(tx, "demo"))

    async def rung(self, n: int) -> list:
        """Move the clock on until `n` things were brought."""

        async def enough() -> bool:
            await self.clock.advance(1)
            return len(self.events.brought) >= n

        await eventually(enough)
        return self.events.brought


@pytest.fixture
async def rig() -> AsyncGenerator[Rig]:
    async with memory_database() as database:
        rig = Rig(database)
        try:
            yield rig
        finally:
            await rig.timers.aclose()


async def gone(rig: Rig, left: int = 0) -> None:
    async def is_gone() -> bool:
        await rig.clock.advance(0)
        return await rig.left() == left

    await eventually(is_gone)


async def test_alarms_ring_in_their_order_and_are_crossed_out(rig):
    await rig.timers.resume()
    await rig.timers.resume()
    await rig.set("b", 20)
    await rig.set("a", 10, "first")
    await rig.set("c", 100_000)
    assert await rig.rung(2) == [("timer", "a", "first"), ("timer", "b", "p")]
    await gone(rig, 1)
    assert len(rig.events.brought) == 2


async def test_an_alarm_does_not_ring_early_nor_after_it_was_cancelled(rig):
    await rig.timers.resume()
    await rig.set("a", 10)
    await rig.set("b", 11)
    assert await rig.timers.call("cancel", ["a"]) is True
    assert await rig.timers.call("cancel", ["a"]) is False
    await rig.clock.advance(9)
    assert rig.events.brought == []
    assert await rig.rung(1) == [("timer", "b", "p")]


async def test_what_was_set_before_a_restart_rings_after_it(rig):
    await rig.set("a", 10)
    await rig.timers.aclose()
    await rig.clock.advance(100)
    rig.timers = rig.make()
    await rig.timers.resume()
    assert await rig.rung(1) == [("timer", "a", "p")]


async def test_an_alarm_that_is_set_again_while_it_rings_is_kept(rig):
    async def again(_) -> None:
        rig.events.during = None
        await rig.set("a", 5, "second")

    rig.events.during = again
    await rig.timers.resume()
    await rig.set("a", 1, "first")
    assert await rig.rung(2) == [("timer", "a", "first"), ("timer", "a", "second")]


async def test_an_absent_service_is_waited_for(rig):
    rig.events.trouble = [PluginUnavailable("starting")] * 3
    await rig.timers.resume()
    await rig.set("a", 1)
    brought = await rig.rung(4)
    assert [what[0] for what in brought] == ["refused"] * 3 + ["timer"]
    await gone(rig)


async def test_a_plugin_that_breaks_on_an_alarm_loses_it_after_five_times(rig):
    rig.events.trouble = [GuestTrap("crash", "boom")] * 5
    await rig.timers.resume()
    await rig.set("a", 1)
    await rig.rung(5)
    await gone(rig)
    await rig.set("b", 1)
    assert (await rig.rung(6))[-1] == ("timer", "b", "p")


async def test_a_plugin_may_set_so_many(rig, monkeypatch):
    monkeypatch.setattr(module, "MAX_TIMERS", 1)
    await rig.set("a", 1)
    await rig.set("a", 2)
    late = rig.timers.call("set", ["b", 1.0, ""])
    assert await code_of(late) == "quota"


@pytest.mark.parametrize("arguments", [["", 1, ""], ["a", -1, ""], ["a", float("inf"), ""]])
async def test_nonsense_is_refused(rig, arguments):
    assert await code_of(rig.timers.call("set", arguments)) == "invalid-argument"


async def test_a_database_in_trouble_is_waited_for(rig):
    await rig.set("a", 1)
    real, failures = rig.database.read, [True]

    class Moody:
        """The real database, which refuses once."""

        write = rig.database.write

        async def read(self, fn):
            if failures:
                failures.pop()
                raise Failed("busy", retryable=True)
            return await real(fn)

    rig.timers._database = Moody()
    await rig.timers.resume()
    assert await rig.rung(1) == [("timer", "a", "p")]
