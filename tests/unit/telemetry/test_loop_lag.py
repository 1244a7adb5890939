"""Lag is what a sleep took beyond its time."""

from __future__ import annotations

import asyncio

import pytest

from carapace.telemetry.loop_lag import LoopLag
from support.clock import FakeClock


class LateClock(FakeClock):
    """Oversleeps by a set time."""

    late_s = 0.0

    async def sleep(self, delay_s: float) -> None:
        await super().sleep(delay_s + self.late_s)


@pytest.fixture
async def measured():
    clock = LateClock()
    seen: list[float] = []
    lag = LoopLag(clock, seen.append, max_lag_s=0.25)
    task = asyncio.create_task(lag.run())
    yield clock, lag, seen
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_punctual_loop_has_no_lag_and_is_ready(measured):
    clock, lag, seen = measured
    assert lag.last_s == 0
    await clock.advance(3)
    assert seen == [0.0] * 6
    assert lag.check() is None


async def test_a_late_loop_is_measured_and_persistent_lateness_is_not_ready(measured):
    clock, lag, seen = measured
    await clock.advance(0.5)
    clock.late_s = 0.5
    await clock.advance(0.5 + 5)
    assert lag.check() is None
    assert lag.last_s == pytest.approx(0.5)
    await clock.advance(2)
    assert "up to 500 ms" in (lag.check() or "")
    clock.late_s = 0.0
    await clock.advance(4)
    assert lag.check() is None
    assert max(seen) == pytest.approx(0.5)


async def test_the_loops_tasks_are_counted():
    clock, counts = FakeClock(), list[int]()
    lag = LoopLag(clock, lambda _: None, tasks=counts.append)
    watching = asyncio.create_task(lag.run())
    await clock.advance(0.5)
    forever = [asyncio.create_task(asyncio.Event().wait()) for _ in range(3)]
    await clock.advance(0.5)
    assert counts[1] - counts[0] == 3
    for task in (watching, *forever):
        task.cancel()
    await asyncio.wait([watching, *forever])
