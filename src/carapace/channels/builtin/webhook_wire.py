"""The JSON of the webhook channel, in and out, and how it is signed.

Field names are part of the contract with other people's scripts: `docs/how-to/webhook-channel.md`.
What comes in is strict: a field that nobody knows is refused, since it was meant to say something.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from carapace.channels.types import (
    ChatType,
    Conversation,
    EventKind,
    InboundMedia,
    InboundMessage,
    Outgoing,
    Quote,
    Sender,
)
from carapace.errors import Refused

__all__ = ["SIGNATURE_HEADER", "decode_message", "encode_outgoing", "sign"]

SIGNATURE_HEADER: Final = "X-Carapace-Signature"

_Id = Annotated[str, Meta(min_length=1, max_length=512)]
_Label = Annotated[str, Meta(max_length=512)]
_Text = Annotated[str, Meta(max_length=100_000)]
_Url = Annotated[str, Meta(min_length=1, max_length=4_096)]


class _In(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    pass


class _Sender(_In, frozen=True):
    id: _Id
    name: _Label | None = None
    is_bot: bool = False


class _Conversation(_In, frozen=True):
    id: _Id
    type: ChatType = ChatType.DIRECT
    thread: _Id | None = None
    space: _Id | None = None
    label: _Label | None = None


class _Quote(_In, frozen=True):
    id: _Id
    sender_id: _Id | None = None
    text: _Text | None = None


class _Media(_In, frozen=True):
    url: _Url
    content_type: _Label | None = None
    size_bytes: Annotated[int, Meta(ge=0)] | None = None
    filename: _Label | None = None


class _Message(_In, frozen=True):
    id: _Id
    sender: _Sender
    text: _Text = ""
    conversation: _Conversation | None = None
    kind: EventKind = EventKind.MESSAGE
    about: _Id | None = None
    sent_at_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    mentions_us: bool = False
    quote: _Quote | None = None
    media: Annotated[tuple[_Media, ...], Meta(max_length=20)] = ()
    data: Annotated[dict[_Id, _Text], Meta(max_length=32)] = msgspec.field(
        default_factory=dict[str, str]
    )


def decode_message(value: Any, *, channel: str, account: str) -> InboundMessage:
    """The message in a parsed body.

    Without a conversation it is a direct one with its sender.

    Raises:
        Refused: If a field is missing, unknown or of the wrong kind; names the field.
    """
    try:
        message = msgspec.convert(value, _Message)
    except msgspec.ValidationError as error:
        raise Refused(
            f"The message is not as it should be: {error}. See the how-to on the webhook channel."
        ) from None
    where = message.conversation or _Conversation(id=message.sender.id)
    return InboundMessage(
        channel=channel,
        account=account,
        message_id=message.id,
        conversation=Conversation(
            id=where.id,
            chat_type=where.type,
            thread_id=where.thread,
            space_id=where.space,
            label=where.label,
        ),
        sender=Sender(
            id=message.sender.id,
            display_name=message.sender.name,
            is_bot=message.sender.is_bot,
        ),
        kind=message.kind,
        text=message.text,
        sent_at_ms=message.sent_at_ms,
        mentions_us=message.mentions_us,
        quote=_quote(message.quote),
        media=tuple(_media(one) for one in message.media),
        about_message_id=message.about,
        data=message.data,
    )


def encode_outgoing(outgoing: Outgoing, links: dict[str, str | None]) -> bytes:
    """The body of a post to the callback address.

    Args:
        outgoing: What is said.
        links: For each media id where it can be fetched for a while, None if it cannot.
    """
    target, poll = outgoing.target, outgoing.poll
    chosen = {"options": poll.options, "maxSelections": poll.max_selections} if poll else None
    return msgspec.json.encode(
        {
            "kind": outgoing.kind.value,
            "idempotencyKey": outgoing.idempotency_key,
            "attempt": outgoing.attempt,
            "mayBeRepeat": outgoing.may_be_repeat,
            "account": target.account,
            "conversation": {"id": target.conversation, "thread": target.thread_id},
            "text": outgoing.text,
            "media": [{"id": one, "url": links.get(one)} for one in outgoing.media],
            "replyTo": outgoing.reply_to,
            "about": outgoing.about_message_id,
            **({"poll": chosen} if chosen else {}),
        }
    )


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The value of `X-Carapace-Signature`: HMAC-SHA256 over the time, a dot and the raw body."""
    mac = hmac.new(secret.encode(), f"{at_s}.".encode(), hashlib.sha256)
    mac.update(body)
    return f"t={at_s},v1={mac.hexdigest()}"


def _quote(quote: _Quote | None) -> Quote | None:
    if quote is None:
        return None
    return Quote(message_id=quote.id, sender_id=quote.sender_id, text=quote.text)


def _media(media: _Media) -> InboundMedia:
    return InboundMedia(
        url=media.url,
        content_type=media.content_type,
        size_bytes=media.size_bytes,
        filename=media.filename,
    )
