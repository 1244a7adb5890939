"""What inbox and outbox keep comes back from the disk as it was, byte for byte."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from carapace.channels import types


@pytest.mark.parametrize(
    "value",
    [
        types.InboundMessage(
            channel="webhook",
            account="default",
            message_id="$Ab:C",
            conversation=types.Conversation(
                id="!Room:Server", chat_type=types.ChatType.GROUP, thread_id="T", space_id="S"
            ),
            sender=types.Sender(id="@Anna:Server", display_name="Ännä", is_bot=True),
            kind=types.EventKind.EDIT,
            text="a\u0000b\U0001f600",
            quote=types.Quote(message_id="q", sender_id="s", text="t"),
            media=(types.InboundMedia(url="https://example.com/a", size_bytes=3),),
            data={"k": "v"},
        ),
        types.Outgoing(
            target=types.Target(
                channel="webhook", account="default", conversation="C", thread_id="T"
            ),
            idempotency_key="k",
            kind=types.OutgoingKind.REACTION,
            media=("m1", "m2"),
            may_be_repeat=True,
            attempt=3,
        ),
        types.Outgoing(
            target=types.Target(channel="webhook", account="default", conversation="C"),
            idempotency_key="k",
            kind=types.OutgoingKind.POLL,
            text="Which?",
            poll=types.Poll(options=("a", "b"), max_selections=2),
        ),
        types.ReplyRoute(
            target=types.Target(channel="webhook", account="a", conversation="c"),
            inbox_ids=(1, 2),
        ),
    ],
)
def test_it_comes_back_as_it_was(value: Any):
    kept = msgspec.json.encode(value)
    assert msgspec.json.decode(kept, type=type(value)) == value


def test_what_a_channel_cannot_tell_is_the_strictest():
    assert types.Conversation(id="c").chat_type is types.ChatType.UNKNOWN


def test_a_channel_can_nothing_that_it_does_not_say():
    info = types.ChannelInfo(id="x", label="X")
    abilities = [name for name in types.ChannelInfo.__struct_fields__ if name.startswith("can_")]
    assert abilities
    assert not any(getattr(info, name) for name in abilities)
    assert not info.drops_repeats
