"""The way of a message through the wired house: in by webhook, through the agent, out by post."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from carapace.channels.types import Outgoing, ReceiptStatus, Target
from carapace.config.settings import Settings
from carapace.config.settings.messages import MessagesSettings, OutboundSettings
from carapace.hooks.points import MESSAGE_SENDING, MessageSending
from carapace.ids import AgentId
from carapace.provenance import OWNER
from support.chat_rooms import from_anna
from support.house import built
from support.polling import until
from support.webhook_receiver import webhook_receiver

pytestmark = pytest.mark.slow
SECRET = "a secret of thirty-two characters"


def config(callback: str, **more: Any) -> str:
    webhook = {"enabled": True, "secret": SECRET, "callbackUrl": callback, **more}
    return json.dumps({"channels": {"webhook": webhook}})


async def test_accounts_open_as_the_configuration_says_and_close_again(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack, config("http://127.0.0.1:9/"))
        accounts = parts.chats.parts.accounts
        parts.chats.parts.apply(parts.config.settings, AgentId("main"))
        await until(lambda: accounts.get("webhook", "default"))
        assert {info.id for info in accounts.infos()} == {"webchat", "webhook"}
        parts.chats.parts.apply(Settings(), AgentId("main"))
        assert accounts.get("webhook", "default") is None
        await parts.chats.stop_receiving(1.0)
        await parts.chats.stop_sending(1.0)


async def test_what_is_put_into_the_outbox_is_posted(tmp_path: Path):
    async with AsyncExitStack() as stack, webhook_receiver() as receiver:
        parts = await built(tmp_path, stack, config(receiver.url))
        parts.chats.parts.apply(parts.config.settings, AgentId("main"))
        await parts.chats.recover()
        parts.tasks.start(parts.chats.sender.run(), name="sender")
        target = Target(channel="webhook", account="default", conversation="c1")
        outgoing = Outgoing(target=target, idempotency_key="k1", text="hello")
        await parts.chats.parts.outbox.put(outgoing, provenance=OWNER)
        [post] = await receiver.posted(1)
        assert (post.json["text"], post.json["idempotencyKey"]) == ("hello", "k1")
        await parts.chats.stop_receiving(1.0)
        await parts.chats.stop_sending(2.0)
        counts = await parts.chats.parts.outbox.counts()
        assert (counts.waiting, counts.dead) == (0, 0)


async def test_a_message_that_is_received_waits_in_the_inbox(tmp_path: Path):
    async with AsyncExitStack() as stack:
        text = config("http://127.0.0.1:9/", dmPolicy="open", allowFrom=["*"])
        parts = await built(tmp_path, stack, text)
        parts.chats.parts.apply(parts.config.settings, AgentId("main"))
        receipt = await parts.chats.parts.intake.receive(from_anna())
        again = await parts.chats.parts.intake.receive(from_anna())
        assert (receipt.status, again.status) == (ReceiptStatus.ACCEPTED, ReceiptStatus.DUPLICATE)
        assert parts.chats.parts.inbox.waiting == 1
        await parts.chats.stop_sending(1.0)


async def test_the_time_to_live_follows_the_settings(tmp_path: Path):
    async with AsyncExitStack() as stack:
        parts = await built(tmp_path, stack)
        chats = parts.chats.parts
        assert chats.outbox.ttl_s == 3600
        messages = MessagesSettings(outbound=OutboundSettings(ttl_minutes=5))
        chats.apply(Settings(messages=messages), AgentId("main"))
        assert chats.outbox.ttl_s == 300
        await parts.chats.stop_sending(1.0)


@pytest.mark.parametrize("streaming", [True, False])
async def test_answers_are_shown_while_they_are_written_if_the_account_says_so(
    tmp_path: Path, streaming: bool
):
    async with AsyncExitStack() as stack, webhook_receiver() as receiver:
        parts = await built(tmp_path, stack, config(receiver.url, streaming=streaming))
        parts.chats.parts.apply(parts.config.settings, AgentId("main"))
        await until(lambda: parts.chats.parts.accounts.get("webhook", "default"))
        drafts = parts.chats.parts.drafts
        target = Target(channel="webhook", account="default", conversation="c1")
        assert (await drafts.open("r", target) is not None) is streaming
        elsewhere = Target(channel="matrix", account="default", conversation="c1")
        assert await drafts.open("s", elsewhere) is None

        async def leave(payload: MessageSending) -> None:
            del payload

        parts.hook_bus.register(MESSAGE_SENDING, leave, owner="a test")
        assert await drafts.open("t", target) is None
        await parts.chats.stop_receiving(1.0)
        await parts.chats.stop_sending(1.0)
