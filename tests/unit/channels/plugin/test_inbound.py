from __future__ import annotations

from carapace.channels.plugin.inbound import inbound_message
from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Quote,
    Sender,
)
from support.plugin_channel import event, given

WHOLE = InboundMessage(
    channel="parrot",
    account="a",
    message_id="1",
    conversation=Conversation(
        id="room", chat_type=ChatType.GROUP, thread_id="t", space_id="s", label="The Room"
    ),
    sender=Sender(id="alice", display_name="Alice", is_bot=True),
    kind=EventKind.EDIT,
    text="hello",
    sent_at_ms=1_767_225_600_123,
    mentions_us=True,
    quote=Quote(message_id="0", sender_id="bob", text="what?"),
    media=(InboundMedia(media_id="m", content_type="image/png", filename="cat.png"),),
    about_message_id="0",
)


def test_a_message_arrives_whole_and_as_one_of_its_channel():
    assert inbound_message("parrot", given(WHOLE)) == WHOLE


def test_a_plain_message_has_nothing_else():
    found = inbound_message("parrot", event())
    assert (found.quote, found.media, found.sent_at_ms) == (None, (), None)


def test_a_time_is_whole_milliseconds():
    found = inbound_message("parrot", event(sent_at_ms=1.9))
    assert found.sent_at_ms == 1
    assert isinstance(found.sent_at_ms, int)
