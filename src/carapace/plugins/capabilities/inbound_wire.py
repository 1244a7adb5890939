"""What happened on a chat service, as a plugin tells it; see `inbound` in `wit/`."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

__all__ = ["InboundAttachment", "InboundEvent", "InboundStatus"]

InboundStatus = Literal["accepted", "duplicate", "buffered", "asked", "handled", "dropped"]

_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
_MaybeId = Annotated[str, msgspec.Meta(max_length=1_024)] | None
_Words = Annotated[str, msgspec.Meta(max_length=262_144)]


class InboundAttachment(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file that came along: where to fetch it, or the handle of what is stored already.

    `content_type` and `filename` are claims.
    """

    url: Annotated[str, msgspec.Meta(max_length=8_192)] | None
    handle: _MaybeId
    content_type: _MaybeId
    filename: _MaybeId


class InboundEvent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One thing that happened.

    Attributes:
        account: Which of our accounts there.
        message_id: The service's own, unique in the account.
        kind: What happened.
        conversation_id: Where.
        chat_type: How many people are there.
        sender_id: Who; names decide nothing.
        sent_at_ms: The service's time, milliseconds since 1970.
        about_message_id: Of which message an edit, a reaction or a vote is.
    """

    account: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,127}\Z")]
    message_id: _Id
    kind: Literal["message", "edit", "delete", "reaction", "pin", "member", "callback"]
    conversation_id: _Id
    chat_type: Literal["direct", "group", "channel", "unknown"]
    thread_id: _MaybeId
    space_id: _MaybeId
    label: _MaybeId
    sender_id: _Id
    sender_name: _MaybeId
    sender_is_bot: bool
    text: _Words
    sent_at_ms: Annotated[float, msgspec.Meta(ge=0, le=2**53)] | None
    mentions_us: bool
    quote_id: _MaybeId
    quote_sender_id: _MaybeId
    quote_text: _Words | None
    about_message_id: _MaybeId
    attachments: Annotated[tuple[InboundAttachment, ...], msgspec.Meta(max_length=32)]
