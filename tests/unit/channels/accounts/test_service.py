from __future__ import annotations

import asyncio

import pytest

from carapace.channels.accounts.service import Accounts, base_url, is_set_up, own_settings
from carapace.channels.types import (
    ChannelInfo,
    Conversation,
    InboundMessage,
    Outgoing,
    RetryAfter,
    Sender,
    Target,
)
from carapace.config.settings.channels import (
    AccountSettings,
    ChannelDefaults,
    ChannelsSettings,
    WebchatSettings,
    WebhookAccount,
    WebhookSettings,
)
from carapace.errors import Failed, Refused
from support.clock import FakeClock
from support.recording_channel import RecordingChannel, RecordingIntake

WEBHOOK = ChannelInfo(id="webhook", label="Webhook", order=90)
WEBCHAT = ChannelInfo(id="webchat", label="Chat", order=1)


def settings(**accounts):
    return ChannelsSettings(webhook=WebhookSettings(accounts=accounts))


def ready(**more):
    return WebhookAccount(secret="s" * 20, **more)


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


class House:
    def __init__(self):
        self.clock = FakeClock()
        self.intake = RecordingIntake()
        self.channel = RecordingChannel(WEBHOOK)
        self.changes = 0
        self.accounts = Accounts(
            self.intake,
            clock=self.clock,
            on_change=self.changed,
            unlisted=frozenset({"webchat"}),
            luck=lambda: 1.0,
        )
        self.accounts.add(self.channel)

    def changed(self):
        self.changes += 1

    async def apply(self, config):
        self.accounts.apply(config)
        await settle()

    def row(self, account="a"):
        return next(one for one in self.accounts.statuses() if one.account == account)


@pytest.fixture
async def house():
    made = House()
    yield made
    await made.accounts.aclose()


async def test_a_configured_account_is_opened_with_its_channels_own_settings(house):
    await house.apply(settings(a=ready(callback_url="https://a.example", dm_policy="open")))
    account = house.channel.accounts["a"]
    assert account.settings == {"secret": "s" * 20, "callbackUrl": "https://a.example"}
    row = house.row()
    assert row.is_running
    assert row.last_start_at_ms == house.clock.now_ms()
    assert house.accounts.get("webhook", "a") is not None
    assert house.changes == 1
    assert house.accounts.trouble() is None


async def test_without_configuration_nothing_is_opened_and_nothing_shown(house):
    await house.apply(ChannelsSettings())
    assert house.channel.opened == []
    assert house.accounts.report().channel_order == []
    assert house.accounts.get("webhook", "default") is None
    assert house.accounts.trouble() is None


async def test_a_disabled_account_is_cut_off_before_apply_returns(house):
    """Row E18."""
    await house.apply(settings(a=ready()))
    inner, outer = house.channel.accounts["a"], house.accounts.get("webhook", "a")
    assert outer is not None
    house.accounts.apply(settings(a=ready(enabled=False)))
    assert house.accounts.get("webhook", "a") is None
    target = Target(channel="webhook", account="a", conversation="c")
    outcome = await outer.send(Outgoing(target=target, idempotency_key="k"))
    assert isinstance(outcome, RetryAfter)
    assert inner.sent == []
    message = InboundMessage(
        channel="webhook",
        account="a",
        message_id="1",
        conversation=Conversation(id="c"),
        sender=Sender(id="s"),
    )
    with pytest.raises(Refused):
        await inner.intake.receive(message)
    assert house.intake.received == []
    await settle()
    assert inner.is_closed
    row = house.row()
    assert not row.is_running
    assert row.last_stop_at_ms is not None
    assert house.accounts.report().channel_accounts["webhook"][0]["enabled"] is False


async def test_disabling_the_channel_disables_its_accounts(house):
    await house.apply(settings(a=ready()))
    await house.apply(
        ChannelsSettings(webhook=WebhookSettings(enabled=False, accounts={"a": ready()}))
    )
    assert house.accounts.get("webhook", "a") is None


async def test_policy_and_text_settings_restart_nothing(house):
    await house.apply(settings(a=ready()))
    await house.apply(
        ChannelsSettings(
            defaults=ChannelDefaults(chunk_mode="newline"),
            webhook=WebhookSettings(
                accounts={"a": ready(dm_policy="open", allow_from=("*",), streaming=True)}
            ),
        )
    )
    assert house.channel.opened == ["a"]
    assert house.row().dm_policy == "open"


async def test_a_changed_setting_of_the_channel_opens_the_account_anew(house):
    await house.apply(settings(a=ready()))
    first = house.channel.accounts["a"]
    await house.apply(settings(a=WebhookAccount(secret="t" * 20)))
    assert first.is_closed
    assert house.channel.opened == ["a", "a"]
    assert house.channel.accounts["a"].settings["secret"] == "t" * 20
    assert house.row().is_running


async def test_an_account_that_is_gone_ends_and_comes_back_after_it_has_ended(house):
    await house.apply(settings(a=ready()))
    first = house.channel.accounts["a"]
    house.accounts.apply(settings())
    assert house.accounts.get("webhook", "a") is None
    house.accounts.apply(settings(a=ready(name="Again")))
    await settle()
    assert first.is_closed
    assert house.channel.opened == ["a", "a"]
    await house.apply(settings())
    assert house.accounts.report().channel_order == []


async def test_refused_settings_are_told_and_not_tried_again(house):
    house.channel.fail_next_open(Refused("It has no callbackUrl. Set one."))
    await house.apply(settings(a=ready()))
    await house.clock.advance(3600)
    assert house.channel.opened == ["a"]
    assert house.row().last_error == "It has no callbackUrl. Set one."
    assert house.accounts.trouble() == "webhook (a): It has no callbackUrl. Set one."
    await house.apply(settings(a=WebhookAccount(secret="t" * 20)))
    assert house.row().is_running
    assert house.row().last_error is None
    assert house.row().failed_starts == 0


async def test_a_failed_opening_is_tried_again_with_growing_pauses(house):
    house.channel.fail_next_open(Failed("no line"), Refused("busy", retryable=True), OSError("x"))
    await house.apply(settings(a=ready()))
    assert house.row().last_error == "no line"
    await house.clock.advance(0.9)
    assert len(house.channel.opened) == 1
    await house.clock.advance(0.1)
    assert house.row().last_error == "busy"
    await house.clock.advance(1.9)
    assert len(house.channel.opened) == 2
    await house.clock.advance(0.1)
    assert house.row().last_error == "It could not be started (OSError); it is tried again."
    assert house.row().failed_starts == 3
    await house.clock.advance(4)
    assert house.row().is_running
    assert house.row().last_error is None


async def test_what_an_error_says_is_not_shown_since_it_may_hold_a_secret(house):
    house.channel.fail_next_open(ValueError("token=hunter2"))
    await house.apply(settings(a=ready()))
    assert "hunter2" not in (house.row().last_error or "")


async def test_a_change_during_a_pause_is_acted_on_at_once(house):
    house.channel.fail_next_open(Failed("no line"))
    await house.apply(settings(a=ready()))
    await house.apply(settings(a=ready(callback_url="https://a.example")))
    assert house.row().is_running


async def test_an_account_switched_off_while_it_opens_is_never_shown(house):
    channel = SlowChannel(WEBHOOK)
    house.accounts = Accounts(house.intake, clock=house.clock, on_change=house.changed)
    house.accounts.add(channel)
    await house.apply(settings(a=ready()))
    assert house.accounts.trouble() == "webhook (a): it is starting"
    house.accounts.apply(settings(a=ready(enabled=False)))
    channel.go.set()
    await settle()
    assert house.accounts.get("webhook", "a") is None
    assert channel.accounts["a"].is_closed
    assert house.row().last_start_at_ms is None


class SlowChannel(RecordingChannel):
    """Opens when it may, and closes badly."""

    def __init__(self, info):
        super().__init__(info)
        self.go = asyncio.Event()

    async def open(self, account, settings, intake):
        await self.go.wait()
        return await super().open(account, settings, intake)


async def test_trouble_with_sending_shows(house):
    await house.apply(settings(a=ready()))
    house.channel.accounts["a"].problem = "no line"
    assert house.row().last_error == "no line"
    assert house.row().is_running
    assert house.accounts.trouble() == "webhook (a): no line"
    house.channel.accounts["a"].problem = None
    assert house.row().last_error is None


async def test_a_channel_that_breaks_when_asked_does_not_break_the_report(house, monkeypatch):
    await house.apply(settings(a=ready()))

    def broken():
        raise RuntimeError("secret")

    monkeypatch.setattr(house.channel.accounts["a"], "trouble", broken)
    assert house.row().last_error == "it does not say how it is (RuntimeError)"


async def test_an_account_that_does_not_close_cleanly_ends_all_the_same(house, monkeypatch):
    await house.apply(settings(a=ready()))

    async def broken():
        raise RuntimeError("no")

    monkeypatch.setattr(house.channel.accounts["a"], "aclose", broken)
    await house.apply(settings())
    assert house.accounts.get("webhook", "a") is None


async def test_enabled_without_being_set_up_says_what_is_missing(house):
    house.channel.fail_next_open(Refused("It has no secret."))
    await house.apply(settings(a=WebhookAccount(enabled=True)))
    row = house.accounts.report().channel_accounts["webhook"][0]
    assert row["configured"] is False
    assert row["lastError"] == "It has no secret."


async def test_the_gateways_own_chat_is_there_and_not_listed(house):
    house.accounts.add(RecordingChannel(WEBCHAT))
    await house.apply(ChannelsSettings(webchat=WebchatSettings()))
    assert house.accounts.get("webchat", "default") is not None
    assert house.accounts.report().channel_order == []
    assert [info.id for info in house.accounts.infos()] == ["webchat", "webhook"]


async def test_a_removed_channel_has_ended_and_may_come_back(house):
    await house.apply(settings(a=ready()))
    first = house.channel.accounts["a"]
    await house.accounts.remove("webhook")
    assert first.is_closed
    assert house.accounts.info("webhook") is None
    house.accounts.add(house.channel)
    await house.apply(settings(a=ready()))
    assert house.row().is_running
    assert house.accounts.info("webhook") == WEBHOOK


async def test_a_channel_is_added_once(house):
    with pytest.raises(ValueError, match="twice"):
        house.accounts.add(RecordingChannel(WEBHOOK))


async def test_closing_ends_all_and_opens_none_any_more(house):
    await house.apply(settings(a=ready(), b=ready()))
    await house.accounts.aclose()
    assert all(one.is_closed for one in house.channel.accounts.values())
    assert house.accounts.statuses() == ()


def test_own_settings_are_those_the_common_account_does_not_know():
    account = ready(name="N", drops_repeats=True, allow_from=("x",), media_max_mb=1.0)
    assert own_settings(account) == {"name": "N", "secret": "s" * 20, "dropsRepeats": True}
    assert own_settings(AccountSettings()) == {}


def test_an_account_is_set_up_by_a_credential_or_by_needing_none():
    assert is_set_up(AccountSettings())
    assert is_set_up(ready())
    assert not is_set_up(WebhookAccount(drops_repeats=True))


async def test_an_account_that_is_cut_off_stays_so_until_the_settings_are_applied_again(house):
    await house.apply(settings(a=ready()))
    assert house.accounts.get("webhook", "a") is not None
    house.accounts.cut("webhook", "a")
    house.accounts.cut("webhook", "unknown")
    assert house.accounts.get("webhook", "a") is None
    await settle()
    await house.apply(settings(a=ready()))
    assert house.accounts.get("webhook", "a") is not None


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ({"httpUrl": "http://127.0.0.1:8080/api?key=1"}, "http://127.0.0.1:8080"),
        ({"baseUrl": "https://me:secret@host.example"}, "https://host.example"),
        ({"httpUrl": "not an address"}, None),
        ({"httpUrl": "http://[broken"}, None),
        ({"httpUrl": 7}, None),
        ({}, None),
    ],
)
def test_of_the_address_of_a_service_only_the_host_is_told(own, shown):
    assert base_url(own) == shown
