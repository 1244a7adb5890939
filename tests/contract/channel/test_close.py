"""A closed account is silent in both directions."""

from __future__ import annotations

import asyncio

from carapace.channels.types import (
    ChatType,
    Conversation,
    Delivered,
    InboundMessage,
    Outgoing,
    Sender,
    Target,
)
from support.channel_kinds import every
from support.channel_under_test import Answer, Trouble


def outgoing(kind, key="key-1"):
    target = Target(channel=kind.name, account=kind.account, conversation="room")
    return Outgoing(target=target, idempotency_key=key, text="hello")


def happened(kind):
    return InboundMessage(
        channel=kind.name,
        account=kind.account,
        message_id="1",
        conversation=Conversation(id="room", chat_type=ChatType.DIRECT),
        sender=Sender(id="alice"),
    )


@every()
async def test_it_says_that_it_cannot_send(opened):
    await opened.account.aclose()
    assert opened.account.trouble()


@every()
async def test_it_sends_nothing_and_says_so(kind, opened):
    await opened.account.aclose()
    assert not isinstance(await opened.account.send(outgoing(kind)), Delivered)
    assert opened.rig.seen() == []


@every(receives=True)
async def test_it_receives_nothing(kind, opened, intake):
    await opened.account.aclose()
    assert await opened.rig.happen(happened(kind)) is Answer.GONE
    assert intake.received == []


@every()
async def test_closing_twice_is_closing_once(opened):
    await opened.account.aclose()
    await opened.account.aclose()
    assert opened.account.trouble()


@every()
async def test_it_ends_soon_though_a_send_hangs(kind, opened):
    await opened.rig.stage(Trouble.SILENT)
    task = asyncio.create_task(opened.account.send(outgoing(kind)))
    await opened.rig.attempted(1)
    async with asyncio.timeout(2):
        await opened.account.aclose()
    task.cancel()
    await asyncio.wait([task])


@every()
async def test_it_leaves_no_task_behind(kind, rig, intake):
    before = asyncio.all_tasks()
    account = await rig.channel.open(kind.account, rig.settings, intake)
    await account.send(outgoing(kind))
    await account.aclose()
    left = {
        task
        for task in asyncio.all_tasks() - before
        if "WebhookReceiver" not in repr(task)  # the service's own
    }
    assert left == set()


@every()
async def test_it_types_no_more(kind, opened):
    await opened.account.aclose()
    await opened.account.set_typing(outgoing(kind).target, is_on=False)
    assert opened.rig.seen() == []
