"""Accounts that are off are off, and what is in their addresses stays there (rows E18, F19)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import pytest

from carapace.channels.accounts.service import Accounts
from carapace.channels.builtin.webhook import WebhookChannel
from carapace.channels.types import Delivered, Outgoing, Target
from carapace.config.settings.channels import ChannelsSettings, WebhookAccount, WebhookSettings
from carapace.triggers.channel_webhooks import ChannelWebhooks
from support.egress import NameTable, make_egress
from support.polling import until
from support.recording_channel import RecordingIntake
from support.webhook_receiver import Reply, webhook_receiver
from support.webhooks import kernel_rig

SECRET = "secret-of-the-account-0123456789"
CANARY = "canary-token-in-the-address"
TARGET = Target(channel="webhook", account="a", conversation="c")
OUTGOING = Outgoing(target=TARGET, idempotency_key="k", text="hi")
PATH = "/channels/webhook/a"
BODY = b'{"id": "1", "sender": {"id": "me"}}'


class House:
    """The real webhook channel behind the real kernel, kept by the real accounts."""

    def __init__(self, kernel, accounts, intake, receiver, trail):
        self.kernel = kernel
        self.accounts = accounts
        self.intake = intake
        self.receiver = receiver
        self.trail = trail

    async def apply(self, *, url=None, **more):
        account = WebhookAccount(secret=SECRET, callback_url=url or self.receiver.url, **more)
        self.accounts.apply(ChannelsSettings(webhook=WebhookSettings(accounts={"a": account})))

    async def running(self):
        await until(lambda: self.accounts.get("webhook", "a") is not None)
        account = self.accounts.get("webhook", "a")
        assert account is not None
        return account


@asynccontextmanager
async def house(tmp_path):
    async with kernel_rig() as kernel, webhook_receiver() as receiver:
        egress, trail = make_egress(tmp_path, names=NameTable(inside_example=[["10.0.0.1"]]))
        intake = RecordingIntake()
        accounts = Accounts(intake, clock=kernel.clock, on_change=lambda: None)
        accounts.add(WebhookChannel(ChannelWebhooks(kernel.kernel), egress, clock=kernel.clock))
        yield House(kernel, accounts, intake, receiver, trail)
        await accounts.aclose()
        trail.audit.close()


async def test_adv_e18_a_disabled_account_neither_hears_nor_speaks(tmp_path):
    async with house(tmp_path) as one:
        await one.apply()
        account = await one.running()
        assert (await one.kernel.signed(BODY, PATH, secret=SECRET)).status == 202
        assert isinstance(await account.send(OUTGOING), Delivered)

        await one.apply(enabled=False)
        # Nothing was awaited since: what follows must hold at once.
        assert one.accounts.get("webhook", "a") is None
        assert not isinstance(await account.send(OUTGOING), Delivered)
        await one.kernel.clock.advance(1)
        answer = await one.kernel.signed(BODY.replace(b"1", b"2"), PATH, secret=SECRET)
        assert answer.status >= 400
        assert len(one.intake.received) == 1
        assert len(one.receiver.posts) == 1

        await until(lambda: one.accounts.statuses()[0].last_stop_at_ms is not None)
        await one.kernel.clock.advance(1)
        assert (
            await one.kernel.signed(BODY.replace(b"1", b"3"), PATH, secret=SECRET)
        ).status == 404


async def test_adv_e18_enabled_again_it_works_again(tmp_path):
    async with house(tmp_path) as one:
        await one.apply()
        await one.running()
        await one.apply(enabled=False)
        await one.apply()
        account = await one.running()
        assert isinstance(await account.send(OUTGOING), Delivered)
        assert (await one.kernel.signed(BODY, PATH, secret=SECRET)).status == 202


@pytest.mark.parametrize("reply", [Reply(404), Reply(500), Reply(manner="reset"), None])
async def test_adv_f19_a_token_in_an_address_is_in_no_error_no_status_and_no_trail(
    tmp_path, capsys, reply
):
    async with house(tmp_path) as one:
        url = one.receiver.url.replace("url-token", CANARY)
        if reply is None:
            url = f"https://inside.example/in?token={CANARY}"
        else:
            one.receiver.script(reply)
        await one.apply(url=url)
        account = await one.running()
        outcome = await account.send(OUTGOING)
        assert not isinstance(outcome, Delivered)
        await asyncio.sleep(0)
        shown = [repr(outcome), repr(one.accounts.statuses()), repr(one.accounts.report())]
        shown += [str(line) for line in one.trail.lines()]
        printed = capsys.readouterr()
        for text in (*shown, printed.out, printed.err):
            assert CANARY not in text
            assert SECRET not in text


async def test_adv_f19_an_address_that_is_refused_is_not_repeated(tmp_path):
    async with house(tmp_path) as one:
        await one.apply(url=f"http://public.example/in?token={CANARY}")
        await until(lambda: one.accounts.statuses()[0].last_error)
        (status,) = one.accounts.statuses()
        assert "https" in (status.last_error or "")
        assert CANARY not in repr(status)
