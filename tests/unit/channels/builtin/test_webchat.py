from __future__ import annotations

import pytest

from carapace.channels.builtin.webchat import WebchatChannel
from carapace.channels.types import (
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    Target,
    Unknown,
)
from carapace.errors import Failed, Refused
from support.recording_channel import RecordingIntake

TARGET = Target(channel="webchat", account="default", conversation="agent:main:main")
OUTGOING = Outgoing(target=TARGET, idempotency_key="k", text="hi")


class Chat:
    def __init__(self):
        self.shown = []
        self.failures = []

    async def show(self, outgoing):
        if self.failures:
            raise self.failures.pop()
        self.shown.append(outgoing)
        return f"m-{len(self.shown)}"


@pytest.fixture
def chat():
    return Chat()


async def opened(chat, **settings):
    return await WebchatChannel(chat.show).open("default", settings, RecordingIntake())


async def test_a_message_appears_in_its_session(chat):
    account = await opened(chat, name="Chat")
    assert account.trouble() is None
    assert await account.send(OUTGOING) == Delivered(message_id="m-1")
    assert chat.shown == [OUTGOING]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Refused("no such session"), Dead(reason="no such session")),
        (Refused("busy", retryable=True), RetryAfter(reason="busy")),
        (
            Failed("disk full", retryable=True, retry_after_ms=1500),
            RetryAfter(reason="disk full", after_s=1.5),
        ),
        (
            Failed("the commit did not report back"),
            Unknown(reason="the commit did not report back"),
        ),
    ],
)
async def test_what_the_session_says_is_the_outcome(chat, error, outcome):
    chat.failures.append(error)
    assert await (await opened(chat)).send(OUTGOING) == outcome


@pytest.mark.parametrize("kind", [one for one in OutgoingKind if one is not OutgoingKind.MESSAGE])
async def test_it_only_shows_messages(chat, kind):
    account = await opened(chat)
    outcome = await account.send(Outgoing(target=TARGET, idempotency_key="k", kind=kind))
    assert isinstance(outcome, Dead)
    assert chat.shown == []


async def test_it_has_no_settings_of_its_own(chat):
    with pytest.raises(Refused, match="no token"):
        await opened(chat, token="x")


async def test_a_closed_one_shows_nothing(chat):
    account = await opened(chat)
    await account.aclose()
    assert isinstance(await account.send(OUTGOING), RetryAfter)
    assert account.trouble() == "it is closed"
    assert chat.shown == []


async def test_it_neither_looks_up_nor_types(chat):
    account = await opened(chat)
    info = WebchatChannel(chat.show).info
    assert not info.can_look_up
    assert not info.can_type
    assert await account.look_up(OUTGOING) is None
    await account.set_typing(TARGET, is_on=True)
    assert chat.shown == []
