from __future__ import annotations

import asyncio

import pytest

from carapace.channels.accounts import slot as account_slot
from carapace.channels.accounts.slot import AccountSlot
from carapace.tasks import Tasks
from support.clock import FakeClock
from support.polling import until
from support.recording_channel import RecordingChannel, RecordingIntake


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


class Hanging(RecordingChannel):
    """Never finishes to open."""

    async def open(self, account, settings, intake):
        await super().open(account, settings, intake)
        await asyncio.Event().wait()
        raise AssertionError


@pytest.fixture
async def tasks():
    failures = []
    owner = Tasks("test", lambda name, error: failures.append(error))
    yield owner
    await owner.close()
    assert failures == []


def slot_of(channel, tasks, clock=None):
    return AccountSlot(
        channel,
        "a",
        intake=RecordingIntake(),
        clock=clock or FakeClock(),
        tasks=tasks,
        on_change=lambda: None,
        luck=lambda: 0.0,
    )


async def test_an_opening_that_hangs_is_given_up_and_tried_again(tasks, monkeypatch):
    monkeypatch.setattr(account_slot, "_OPEN_TIMEOUT_S", 0.01)
    clock, channel = FakeClock(), Hanging()
    slot = slot_of(channel, tasks, clock)
    slot.want({})
    tasks.start(slot.run(), name="slot")
    await until(lambda: slot.status.last_error)
    assert slot.status.last_error is not None
    assert "did not start" in slot.status.last_error
    assert channel.opened == ["a"]
    await clock.advance(0.5)
    assert channel.opened == ["a", "a"]


async def test_wanting_the_same_again_changes_nothing(tasks):
    channel = RecordingChannel()
    slot = slot_of(channel, tasks)
    slot.want({"x": 1})
    tasks.start(slot.run(), name="slot")
    await settle()
    slot.want({"x": 1})
    await settle()
    assert channel.opened == ["a"]
    assert slot.account is not None


async def test_a_cancelled_slot_closes_its_account(tasks):
    channel = RecordingChannel()
    slot = slot_of(channel, tasks)
    slot.want({})
    task = tasks.start(slot.run(), name="slot")
    await settle()
    task.cancel()
    await slot.ended()
    assert channel.accounts["a"].is_closed
    assert slot.account is None
