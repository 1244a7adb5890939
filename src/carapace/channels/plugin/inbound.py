"""What a guest hands in, as a message of the house.

The capability `inbound` has checked the shape; here it becomes one of the plugin's own channel,
whatever else it may say.
"""

from __future__ import annotations

from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Quote,
    Sender,
)
from carapace.plugins.capabilities.inbound_wire import InboundAttachment, InboundEvent

__all__ = ["inbound_message"]


def inbound_message(channel: str, event: InboundEvent) -> InboundMessage:
    """The message, as one of `channel`."""
    return InboundMessage(
        channel=channel,
        account=event.account,
        message_id=event.message_id,
        conversation=Conversation(
            id=event.conversation_id,
            chat_type=ChatType(event.chat_type),
            thread_id=event.thread_id,
            space_id=event.space_id,
            label=event.label,
        ),
        sender=Sender(
            id=event.sender_id, display_name=event.sender_name, is_bot=event.sender_is_bot
        ),
        kind=EventKind(event.kind),
        text=event.text,
        sent_at_ms=None if event.sent_at_ms is None else int(event.sent_at_ms),
        mentions_us=event.mentions_us,
        quote=_quote(event),
        media=tuple(_media(one) for one in event.attachments),
        about_message_id=event.about_message_id,
    )


def _quote(event: InboundEvent) -> Quote | None:
    if event.quote_id is None:
        return None
    return Quote(message_id=event.quote_id, sender_id=event.quote_sender_id, text=event.quote_text)


def _media(one: InboundAttachment) -> InboundMedia:
    return InboundMedia(
        url=one.url,
        media_id=one.handle,
        content_type=one.content_type,
        filename=one.filename,
    )
