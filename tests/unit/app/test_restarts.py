"""One restart at a time, at the earliest moment that somebody asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from carapace.app.restarts import Restarts
from carapace.tasks import Tasks
from support.clock import FakeClock


class House:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.errors: list[BaseException] = []
        self.tasks = Tasks("test", lambda _name, error: self.errors.append(error))
        self.restarts = Restarts(self.clock, self.tasks)

    async def rings_after(self, wait_s: float) -> bool:
        """Whether it is time after so long, and not a moment before."""
        await self.clock.advance(wait_s - 0.01)
        is_early = self.restarts.wanted.is_set()
        await self.clock.advance(0.02)
        return self.restarts.wanted.is_set() and not is_early


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    yield house
    await house.tasks.close()
    assert house.errors == []


@pytest.mark.parametrize(("asked", "waits_s"), [(None, 2.0), (500, 0.5), (10**12, 60.0)])
async def test_it_waits_as_long_as_it_was_asked_to(house, asked, waits_s):
    report = house.restarts.schedule("config.patch", asked)
    assert (report.delay_ms, report.reason) == (round(waits_s * 1000), "config.patch")
    assert (report.ok, report.pid, report.signal) == (True, os.getpid(), "SIGUSR1")
    assert await house.rings_after(waits_s)


async def test_no_delay_is_at_once(house):
    house.restarts.schedule("config.apply", 0)
    await house.clock.advance(0)
    assert house.restarts.wanted.is_set()


async def test_the_earlier_of_two_wishes_counts(house):
    house.restarts.schedule("a", 500)
    house.restarts.schedule("b", 2_000)
    assert await house.rings_after(0.5)


async def test_a_later_but_shorter_wish_counts(house):
    house.restarts.schedule("a", 2_000)
    house.restarts.schedule("b", 500)
    assert await house.rings_after(0.5)


async def test_a_wish_replaces_what_a_saved_file_started(house):
    house.restarts.follow("file", 300)
    house.restarts.schedule("config.patch", 1_000)
    house.restarts.follow("file", 300)
    assert await house.rings_after(1.0)


async def test_a_saved_file_restarts_after_its_quiet_time(house):
    house.restarts.follow("file", 300)
    assert await house.rings_after(0.3)
