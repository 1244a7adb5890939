"""Handlers hear of messages, may change or stop what goes out, and change nothing else."""

from __future__ import annotations

import msgspec

from carapace.app.chat_hooks import ChatHooks
from carapace.channels.outbox.attempt import Cancelled
from carapace.channels.outbox.types import OutboxRow, OutboxState
from carapace.channels.types import (
    Dead,
    Delivered,
    Outgoing,
    OutgoingKind,
    RetryAfter,
    Target,
)
from carapace.hooks.points import (
    MESSAGE_RECEIVED,
    MESSAGE_SENDING,
    MESSAGE_SENT,
    MessageReceived,
    MessageSending,
    MessageSent,
)
from carapace.provenance import Authority, Origin, Provenance
from support.chat_rooms import from_anna
from support.hook_bus import hook_bus

WORDS = Provenance(origin=Origin.CHANNEL, authority=Authority.GUEST)
OUT = Outgoing(
    target=Target(channel="webhook", account="default", conversation="c"),
    idempotency_key="k",
    text="hello",
)

ROW = OutboxRow(
    outbox_id=1,
    idempotency_key="k",
    channel="webhook",
    account="default",
    conversation="c",
    outgoing=OUT,
    provenance=WORDS,
    run_id=None,
    part_of=None,
    state=OutboxState.SENDING,
    attempts=1,
    failures=0,
    fence=1,
    may_be_repeat=False,
    is_screened=False,
    next_at_ms=0,
    created_at_ms=0,
    expires_at_ms=1,
)


async def test_an_accepted_message_is_heard_of_with_what_it_may_cause():
    heard: list[MessageReceived] = []
    async with hook_bus() as bus:

        async def listen(payload: MessageReceived) -> None:
            heard.append(payload)

        bus.register(MESSAGE_RECEIVED, listen, owner="a test")
        ChatHooks(bus).received(from_anna("hi"), WORDS)
        await bus.drain(5.0)
    assert [(one.text, one.sender_id, one.provenance) for one in heard] == [("hi", "anna", WORDS)]


async def test_without_handlers_a_message_goes_as_it_is():
    async with hook_bus() as bus:
        assert await ChatHooks(bus).sending(ROW, OUT) is OUT


async def test_a_handler_changes_the_text_and_nothing_else():
    async with hook_bus() as bus:

        async def shout(payload: MessageSending) -> MessageSending:
            return msgspec.structs.replace(payload, text=payload.text.upper())

        bus.register(MESSAGE_SENDING, shout, owner="a test")
        left = await ChatHooks(bus).sending(ROW, OUT)
    assert isinstance(left, Outgoing)
    assert left.text == "HELLO"
    assert (left.target, left.idempotency_key, left.kind) == (
        OUT.target,
        OUT.idempotency_key,
        OutgoingKind.MESSAGE,
    )


async def test_a_handler_stops_a_message_with_its_reason():
    async with hook_bus() as bus:

        async def stop(payload: MessageSending) -> MessageSending:
            return msgspec.structs.replace(payload, cancelled="not at night")

        bus.register(MESSAGE_SENDING, stop, owner="a test")
        left = await ChatHooks(bus).sending(ROW, OUT)
    assert left == Cancelled(reason="not at night")


async def test_only_the_end_of_a_message_is_told():
    heard: list[MessageSent] = []
    async with hook_bus() as bus:

        async def listen(payload: MessageSent) -> None:
            heard.append(payload)

        bus.register(MESSAGE_SENT, listen, owner="a test")
        hooks = ChatHooks(bus)
        await hooks.sent(ROW, RetryAfter(reason="busy"))
        await hooks.sent(ROW, Delivered(message_id="m1"))
        await hooks.sent(ROW, Dead(reason="gone"))
        await bus.drain(5.0)
    assert [(one.is_delivered, one.message_id, one.reason) for one in heard] == [
        (True, "m1", None),
        (False, None, "gone"),
    ]


async def test_it_is_known_whether_anybody_may_change_what_goes_out():
    async with hook_bus() as bus:
        hooks = ChatHooks(bus)
        assert not hooks.screens

        async def leave(sending: MessageSending) -> None:
            del sending

        forget = bus.register(MESSAGE_SENDING, leave, owner="x")
        assert hooks.screens
        forget()
        assert not hooks.screens
