"""A bell wakes at its time or when it is rung, and forgets no ring."""

from __future__ import annotations

import asyncio

from carapace.plugins.capabilities.bell import Bell
from carapace.tasks import Tasks
from support.clock import FakeClock


async def wait(bell: Bell, delay_s: float | None, woken: list[str]) -> None:
    await bell.wait(delay_s)
    woken.append("woken")


async def test_it_wakes_at_its_time():
    clock, woken = FakeClock(), []
    tasks = Tasks("test", lambda *_: None)
    bell = Bell(clock, tasks)
    tasks.start(wait(bell, 5, woken), name="wait")
    await clock.advance(4.9)
    assert not woken
    await clock.advance(0.2)
    assert woken
    await tasks.close()


async def test_it_wakes_when_it_is_rung_before_or_while_it_waits():
    clock, woken = FakeClock(), []
    tasks = Tasks("test", lambda *_: None)
    bell = Bell(clock, tasks)
    bell.ring()
    await asyncio.wait_for(wait(bell, 100, woken), 1)
    tasks.start(wait(bell, None, woken), name="wait")
    await clock.advance(0)
    assert len(woken) == 1
    bell.ring()
    await clock.advance(0)
    assert len(woken) == 2
    await tasks.close()
