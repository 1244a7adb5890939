from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from carapace.channels.live import typing as module
from carapace.channels.live.typing import Typing
from carapace.channels.types import Target
from carapace.tasks import Tasks
from support.clock import FakeClock
from support.polling import until
from support.recording_channel import RECORDING_INFO, RecordingAccount, RecordingIntake

TARGET = Target(channel="recording", account="a", conversation="c")
OTHER = Target(channel="recording", account="a", conversation="d")


class House:
    def __init__(self):
        self.clock = FakeClock()
        self.account: RecordingAccount | None = RecordingAccount(
            RECORDING_INFO, "a", RecordingIntake()
        )
        self.info = RECORDING_INFO
        self.errors = []
        self.tasks = Tasks("typing", lambda name, error: self.errors.append(error))
        self.typing = Typing(
            lambda channel, account: self.account,
            lambda channel: self.info,
            clock=self.clock,
            tasks=self.tasks,
        )

    @property
    def signs(self):
        assert self.account is not None
        return [is_on for _, is_on in self.account.typing]


@pytest.fixture
async def house():
    one = House()
    yield one
    await one.tasks.close()
    assert one.errors == []


async def test_it_is_shown_again_while_work_goes_on_and_taken_back_at_the_end(house):
    house.typing.start("r", TARGET)
    await house.clock.advance(0)
    assert house.signs == [True]
    await house.clock.advance(8)
    assert house.signs == [True, True, True]
    house.typing.stop("r", TARGET)
    await house.clock.advance(20)
    assert house.signs == [True, True, True, False]


async def test_two_runs_at_one_place_are_one_sign(house):
    house.typing.start("r", TARGET)
    house.typing.start("s", TARGET)
    await house.clock.advance(0)
    assert house.signs == [True]
    house.typing.stop("r", TARGET)
    await house.clock.advance(4)
    assert house.signs == [True, True]
    house.typing.stop("s", TARGET)
    house.typing.stop("s", TARGET)
    await house.clock.advance(1)
    assert house.signs[-1] is False
    assert house.signs.count(False) == 1


async def test_it_is_not_shown_for_ever(house):
    house.typing.start("r", TARGET)
    for _ in range(100):
        await house.clock.advance(4)
    assert house.signs.count(True) == 75
    assert house.signs[-1] is False
    house.typing.stop("r", TARGET)
    await house.clock.advance(1)


async def test_it_is_shown_again_for_the_next_run(house):
    for run in ("r", "s"):
        house.typing.start(run, TARGET)
        await house.clock.advance(0)
        house.typing.stop(run, TARGET)
        await house.clock.advance(0)
    assert house.signs == [True, False, True, False]


@pytest.mark.parametrize("why", ["cannot", "no channel", "no account"])
async def test_nothing_is_shown_where_it_cannot_be(house, why):
    account = house.account
    if why == "no account":
        house.account = None
    else:
        house.info = replace(RECORDING_INFO, can_type=False) if why == "cannot" else None
    house.typing.start("r", TARGET)
    await house.clock.advance(10)
    house.typing.stop("r", TARGET)
    await house.clock.advance(0)
    assert account.typing == []


async def test_a_service_that_breaks_or_hangs_stops_nothing(house, monkeypatch):
    calls = []

    async def bad(target, *, is_on):
        calls.append(is_on)
        if len(calls) == 1:
            raise RuntimeError("no")
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "_CALL_TIMEOUT_S", 0.01)
    monkeypatch.setattr(house.account, "set_typing", bad)
    house.typing.start("r", TARGET)
    await house.clock.advance(4)
    await until(lambda: len(calls) == 2)
    house.typing.stop("r", TARGET)
    await until(lambda: len(calls) == 3)
    assert calls == [True, True, False]


async def test_it_is_shown_at_a_bounded_number_of_places(house, monkeypatch):
    monkeypatch.setattr(module, "_MAX_TARGETS", 1)
    house.typing.start("r", TARGET)
    house.typing.start("s", OTHER)
    await house.clock.advance(0)
    assert house.account.typing == [(TARGET, True)]
    house.typing.stop("s", OTHER)
    house.typing.stop("r", TARGET)
    await house.clock.advance(0)
