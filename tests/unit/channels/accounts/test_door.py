from __future__ import annotations

import pytest

from carapace.channels.accounts.door import InboundDoor, OutboundDoor
from carapace.channels.accounts.status import AccountStatus
from carapace.channels.types import (
    Conversation,
    Dead,
    Delivered,
    InboundMessage,
    Outgoing,
    RetryAfter,
    Sender,
    Target,
)
from carapace.errors import Refused
from support.clock import FakeClock
from support.recording_channel import RECORDING_INFO, RecordingAccount, RecordingIntake

TARGET = Target(channel="recording", account="a", conversation="c")
OUTGOING = Outgoing(target=TARGET, idempotency_key="k", text="hi")


def message(channel="recording", account="a"):
    return InboundMessage(
        channel=channel,
        account=account,
        message_id="1",
        conversation=Conversation(id="c"),
        sender=Sender(id="s"),
    )


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def status():
    return AccountStatus(channel="recording", account="a")


@pytest.fixture
def intake():
    return RecordingIntake()


@pytest.fixture
def inbound(intake, status, clock):
    return InboundDoor(intake, status, clock)


@pytest.fixture
def account(inbound):
    return RecordingAccount(RECORDING_INFO, "a", inbound)


@pytest.fixture
def outbound(account, inbound, status, clock):
    return OutboundDoor(account, inbound, status, clock)


async def test_what_comes_in_passes_and_its_time_is_kept(inbound, intake, status, clock):
    await inbound.receive(message())
    assert intake.received == [message()]
    assert status.last_inbound_at_ms == clock.now_ms()


async def test_nothing_comes_in_when_it_is_shut(inbound, intake, status):
    inbound.shut()
    with pytest.raises(Refused, match="switched off"):
        await inbound.receive(message())
    assert intake.received == []
    assert status.last_inbound_at_ms is None


@pytest.mark.parametrize("other", [message(channel="matrix"), message(account="b")])
async def test_an_account_speaks_for_nobody_but_itself(inbound, intake, other):
    with pytest.raises(Refused, match="of another account"):
        await inbound.receive(other)
    assert intake.received == []


async def test_what_goes_out_passes_and_its_time_is_kept(outbound, account, status, clock):
    assert await outbound.send(OUTGOING) == Delivered(message_id="m-1")
    assert account.sent == [OUTGOING]
    assert status.last_outbound_at_ms == clock.now_ms()


async def test_what_was_not_delivered_leaves_no_time(outbound, account, status):
    account.script(Dead(reason="no"))
    assert await outbound.send(OUTGOING) == Dead(reason="no")
    assert status.last_outbound_at_ms is None


async def test_nothing_goes_out_when_it_is_shut(inbound, outbound, account):
    await outbound.send(OUTGOING)
    inbound.shut()
    assert isinstance(await outbound.send(OUTGOING), RetryAfter)
    assert await outbound.look_up(OUTGOING) is None
    await outbound.set_typing(TARGET, is_on=True)
    assert outbound.trouble() == "the account is switched off"
    assert len(account.sent) == 1
    assert account.typing == []


async def test_the_rest_passes(outbound, account):
    await outbound.send(OUTGOING)
    account.problem = "no line"
    assert outbound.trouble() == "no line"
    assert await outbound.look_up(OUTGOING) == Delivered(message_id="m-1")
    await outbound.set_typing(TARGET, is_on=True)
    assert account.typing == [(TARGET, True)]
    await outbound.aclose()
    assert account.is_closed
