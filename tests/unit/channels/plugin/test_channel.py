"""What the conformance suite does not ask, since no service shows it."""

from __future__ import annotations

import json

import pytest

from carapace.channels.plugin.channel import PluginChannel
from carapace.channels.types import ReceiptStatus
from carapace.errors import Failed, Refused
from carapace.plugins.errors import GuestError, GuestTrap
from carapace.plugins.package.manifest import ChannelLook
from support.plugin_channel import ABOUT, event, scripted_channel
from support.recording_channel import RecordingIntake
from support.scripted_host import ScriptedHost, guest_of


def fail(error):
    def script(*arguments):
        raise error

    return script


@pytest.fixture
async def rig():
    async with scripted_channel() as one:
        yield one


async def described(answer):
    host = ScriptedHost({"channel.describe": answer})
    return await PluginChannel.describe(guest_of(host), credentials=frozenset())


async def test_one_that_does_not_say_what_it_is_is_no_channel():
    with pytest.raises(Failed, match="unreachable"):
        await described(fail(GuestTrap("crash", "unreachable")))
    with pytest.raises(Refused, match="one channel"):
        await described(lambda: {**ABOUT, "id": "other"})


async def test_its_manifest_says_how_it_is_shown():
    host = ScriptedHost({"channel.describe": lambda: ABOUT})
    look = ChannelLook(detail_label="Parrot by wire", system_image="bird")
    made = await PluginChannel.describe(guest_of(host), credentials=frozenset(), look=look)
    assert (made.info.detail_label, made.info.system_image) == ("Parrot by wire", "bird")
    plain = await PluginChannel.describe(guest_of(host), credentials=frozenset())
    assert (plain.info.detail_label, plain.info.system_image) == (None, None)


async def test_the_guest_gets_a_handle_and_never_a_secret(rig):
    await rig.channel.open("work", rig.settings, RecordingIntake())
    (call,) = rig.host.made("channel", "start")
    assert call.arguments[0] == "work"
    assert json.loads(call.arguments[1]) == {"botToken": "work/botToken", "name": "Polly"}
    assert not any(secret in repr(rig.host.calls) for secret in rig.secrets)


async def test_a_guest_that_breaks_at_the_start_is_tried_again(rig):
    rig.host.script("channel.start", fail(GuestTrap("deadline", "interrupt")))
    with pytest.raises(Failed, match="interrupt"):
        await rig.channel.open("default", rig.settings, RecordingIntake())
    with pytest.raises(Refused, match="no running account") as caught:
        await rig.channel.receive(event())
    assert caught.value.retryable


async def test_a_no_for_now_says_when_to_come_again(rig):
    error = GuestError("busy", "later", retryable=True, retry_after_ms=5_000)
    rig.host.script("channel.start", fail(error))
    with pytest.raises(Refused) as caught:
        await rig.channel.open("default", rig.settings, RecordingIntake())
    assert (caught.value.retryable, caught.value.retry_after_ms) == (True, 5_000)


async def test_what_is_handed_in_while_it_starts_is_taken(rig):
    intake = RecordingIntake()

    async def start(account, settings):
        receipt = await rig.channel.receive(event())
        assert receipt.status is ReceiptStatus.ACCEPTED

    rig.host.script("channel.start", start)
    await rig.channel.open("default", rig.settings, intake)
    assert intake.received[0].channel == "parrot"


async def test_each_account_has_its_own_intake(rig):
    one, other = RecordingIntake(), RecordingIntake()
    await rig.channel.open("one", rig.settings, one)
    await rig.channel.open("other", rig.settings, other)
    await rig.channel.receive(event(account="other"))
    assert (len(one.received), len(other.received)) == (0, 1)


async def test_an_account_that_is_opened_anew_is_not_closed_by_the_old_one(rig):
    old = await rig.channel.open("default", rig.settings, RecordingIntake())
    await rig.channel.open("default", rig.settings, RecordingIntake())
    await old.aclose()
    assert (await rig.channel.receive(event())).status is ReceiptStatus.ACCEPTED


@pytest.mark.parametrize(
    ("state", "detail", "trouble"),
    [
        ("running", "all well", None),
        ("starting", "", None),
        ("degraded", "the token\nexpired", "the token expired"),
        ("stopped", "", "it is stopped"),
    ],
)
async def test_what_a_guest_says_of_an_account_is_its_trouble(rig, state, detail, trouble):
    account = await rig.channel.open("default", rig.settings, RecordingIntake())
    rig.channel.report("default", state, detail)
    rig.channel.report("nobody", state, detail)
    assert account.trouble() == trouble


async def test_it_shows_its_id_and_what_it_said(rig):
    assert "parrot" in repr(rig.channel)
    assert rig.channel.info.label == "Parrot"
