from __future__ import annotations

import json

import pytest

from carapace.channels.builtin.webhook_wire import decode_message, encode_outgoing, sign
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Outgoing,
    OutgoingKind,
    Quote,
    Sender,
    Target,
)
from carapace.errors import Refused
from carapace.triggers.signatures import sign_timestamped, timestamped_signature
from carapace.triggers.webhook_types import Verified
from support.webhooks import raw


def decode(value):
    return decode_message(value, channel="webhook", account="a")


def test_the_least_message_is_a_direct_one_with_its_sender():
    assert decode({"id": "1", "sender": {"id": "me"}, "text": "hi"}) == InboundMessage(
        channel="webhook",
        account="a",
        message_id="1",
        conversation=Conversation(id="me", chat_type=ChatType.DIRECT),
        sender=Sender(id="me"),
        text="hi",
    )


def test_every_field_has_its_place():
    value = {
        "id": "1",
        "kind": "reaction",
        "sender": {"id": "me", "name": "Me", "isBot": True},
        "conversation": {
            "id": "c",
            "type": "group",
            "thread": "t",
            "space": "s",
            "label": "L",
        },
        "text": "hi",
        "about": "0",
        "sentAtMs": 5,
        "mentionsUs": True,
        "quote": {"id": "q", "senderId": "you", "text": "what"},
        "media": [
            {"url": "https://a.example/x", "contentType": "t", "sizeBytes": 1, "filename": "f"}
        ],
        "data": {"k": "v"},
    }
    assert decode(value) == InboundMessage(
        channel="webhook",
        account="a",
        message_id="1",
        conversation=Conversation(
            id="c", chat_type=ChatType.GROUP, thread_id="t", space_id="s", label="L"
        ),
        sender=Sender(id="me", display_name="Me", is_bot=True),
        kind=EventKind.REACTION,
        text="hi",
        sent_at_ms=5,
        mentions_us=True,
        quote=Quote(message_id="q", sender_id="you", text="what"),
        media=(
            InboundMedia(url="https://a.example/x", content_type="t", size_bytes=1, filename="f"),
        ),
        about_message_id="0",
        data={"k": "v"},
    )


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ({}, "id"),
        ({"id": "1"}, "sender"),
        ({"id": "", "sender": {"id": "me"}}, "id"),
        ({"id": 1, "sender": {"id": "me"}}, "id"),
        ({"id": "1", "sender": "me"}, "sender"),
        ({"id": "1", "sender": {"id": "me"}, "txt": "hi"}, "txt"),
        ({"id": "1", "sender": {"id": "me"}, "kind": "shout"}, "kind"),
        ({"id": "1", "sender": {"id": "me"}, "sentAtMs": 1.5}, "sentAtMs"),
        ({"id": "1", "sender": {"id": "me"}, "text": "x" * 100_001}, "text"),
        ({"id": "x" * 513, "sender": {"id": "me"}}, "id"),
        ({"id": "1", "sender": {"id": "me"}, "media": [{"url": "u"}] * 21}, "media"),
        ([], "array"),
        ("hi", "str"),
    ],
)
def test_what_is_not_a_message_is_refused_with_its_field(value, word):
    with pytest.raises(Refused, match=word):
        decode(value)


def test_what_goes_out_says_everything():
    outgoing = Outgoing(
        target=Target(channel="webhook", account="a", conversation="c", thread_id="t"),
        idempotency_key="k",
        kind=OutgoingKind.EDIT,
        text="hé",
        media=("m1", "m2"),
        reply_to="r",
        about_message_id="b",
        may_be_repeat=True,
        attempt=2,
    )
    body = encode_outgoing(outgoing, {"m1": "https://a.example/m"})
    assert json.loads(body) == {
        "kind": "edit",
        "idempotencyKey": "k",
        "attempt": 2,
        "mayBeRepeat": True,
        "account": "a",
        "conversation": {"id": "c", "thread": "t"},
        "text": "hé",
        "media": [{"id": "m1", "url": "https://a.example/m"}, {"id": "m2", "url": None}],
        "replyTo": "r",
        "about": "b",
    }


def test_nothing_is_left_out_for_being_usual():
    target = Target(channel="webhook", account="a", conversation="c")
    value = json.loads(encode_outgoing(Outgoing(target=target, idempotency_key="k"), {}))
    assert value["mayBeRepeat"] is False
    assert value["attempt"] == 1
    assert value["about"] is None


def test_out_is_signed_as_in_is_checked():
    secret, body = "s" * 20, b'{"text": "h\xc3\xa9"}'
    value = sign(secret, body, 1_767_225_600)
    assert value == sign_timestamped(secret, body, 1_767_225_600)
    check = timestamped_signature(secret)
    assert check is not None
    assert isinstance(check(raw(body, headers={"X-Carapace-Signature": value})), Verified)
