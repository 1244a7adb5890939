"""What the conformance suite does not ask, since no service shows it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import force_setattr

from carapace.channels.types import (
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    Poll,
    RetryAfter,
    Target,
    Unknown,
)
from carapace.errors import Failed
from carapace.plugins.errors import GuestError, GuestTrap, PluginUnavailable
from carapace.plugins.ports import HostState, RunPhase
from support.plugin_channel import scripted_channel
from support.recording_channel import RecordingIntake

TARGET = Target(channel="parrot", account="default", conversation="room")


def outgoing(**more: Any) -> Outgoing:
    values: dict[str, Any] = {"text": "hi", **more}
    return Outgoing(target=TARGET, idempotency_key="k", **values)


def fail(error):
    def script(*arguments):
        raise error

    return script


@pytest.fixture
async def rig():
    async with scripted_channel() as one:
        yield one


@pytest.fixture
async def account(rig):
    return await rig.channel.open("default", rig.settings, RecordingIntake())


async def test_files_go_another_way_than_words(rig, account):
    await account.send(outgoing())
    await account.send(outgoing(media=("m",)))
    assert [one.function for one in rig.host.calls[-2:]] == ["send-text", "send-media"]


@pytest.mark.parametrize(
    ("feature", "more", "word"),
    [
        ("media", {"media": ("m",)}, "files"),
        ("edit", {"kind": OutgoingKind.EDIT}, "edit"),
        ("delete", {"kind": OutgoingKind.DELETE}, "delete"),
        ("react", {"kind": OutgoingKind.REACTION}, "reaction"),
        ("polls", {"kind": OutgoingKind.POLL}, "poll"),
    ],
)
async def test_what_the_channel_cannot_do_is_dead_and_the_guest_not_bothered(
    rig, account, feature, more, word
):
    names = {"polls": "can_poll"}
    force_setattr(account._info, names.get(feature, f"can_{feature}"), False)
    before = len(rig.host.calls)
    outcome = await account.send(outgoing(**more))
    assert isinstance(outcome, Dead)
    assert word in outcome.reason
    assert len(rig.host.calls) == before


async def test_a_poll_is_handed_over_with_its_answers(rig, account):
    poll = Poll(options=("a", "b"), max_selections=2)
    await account.send(outgoing(kind=OutgoingKind.POLL, text="Which?", poll=poll))
    (made,) = rig.host.made("channel", "send-poll")
    assert made.arguments[0]["text"] == "Which?"
    assert made.arguments[1] == {"question": "Which?", "options": ["a", "b"], "max_selections": 2}


async def test_a_look_up_that_fails_is_not_a_no(rig, account):
    rig.host.script("channel.look-up", fail(GuestTrap("crash", "unreachable")))
    with pytest.raises(Failed, match="unreachable"):
        await account.look_up(outgoing())


async def test_a_channel_that_cannot_look_up_is_not_asked(rig, account):
    force_setattr(account._info, "can_look_up", False)
    assert await account.look_up(outgoing()) is None
    assert rig.host.made("channel", "look-up") == []


async def test_typing_is_told_and_its_failure_is_nobodys_trouble(rig, account):
    await account.set_typing(TARGET, is_on=True)
    assert rig.host.made("channel", "typing")[0].arguments[1] is True
    rig.host.script("channel.typing", fail(GuestError("x", "no")))
    await account.set_typing(TARGET, is_on=True)
    force_setattr(account._info, "can_type", False)
    await account.set_typing(TARGET, is_on=False)
    assert len(rig.host.made("channel", "typing")) == 2


async def test_it_closes_though_the_guest_does_not_stop_it(rig, account):
    rig.host.script("channel.stop", fail(GuestTrap("deadline", "interrupt")))
    await account.aclose()
    assert account.trouble() == "it is closed"
    assert isinstance(await account.send(outgoing()), RetryAfter)


async def test_a_plugin_at_rest_is_the_accounts_trouble(rig, account):
    rig.host.states["parrot"] = HostState(phase=RunPhase.QUARANTINED, reason="it crashed")
    assert account.trouble() == "it crashed"
    rig.host.states["parrot"] = HostState(phase=RunPhase.RUNNING)
    assert isinstance(await account.send(outgoing()), Delivered)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (GuestError("x", "no such room"), Dead(reason="no such room")),
        (GuestError("no-room", ""), Dead(reason="no-room")),
        (GuestError("x", "later", retryable=True), RetryAfter(reason="later")),
        (
            GuestError("x", "later", retryable=True, retry_after_ms=2_500),
            RetryAfter(reason="later", after_s=2.5),
        ),
        (PluginUnavailable("it rests"), RetryAfter(reason="it rests")),
        (
            GuestTrap("deadline", "interrupt"),
            Unknown(reason="the plugin parrot ended early: interrupt"),
        ),
    ],
)
async def test_what_a_guest_does_not_answer_has_its_outcome(rig, account, error, outcome):
    rig.host.script("channel.send-text", fail(error))
    assert await account.send(outgoing()) == outcome


async def test_closed_it_tells_nobody_of_typing_and_stops_once(rig, account):
    assert repr(account) == "<parrot account default>"
    await account.aclose()
    await account.aclose()
    await account.set_typing(TARGET, is_on=True)
    assert rig.host.made("channel", "typing") == []
    assert len(rig.host.made("channel", "stop")) == 1


async def test_what_arrived_is_found_by_its_key(rig, account):
    sent = await account.send(outgoing())
    assert await account.look_up(outgoing()) == sent
    rig.host.script("channel.look-up", lambda sent: None)
    assert await account.look_up(outgoing()) is None
