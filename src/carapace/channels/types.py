"""What passes between a chat service and the house: messages, targets, outcomes.

All are plain frozen values that `msgspec` writes as JSON, since inbox and outbox keep them. Ids
are the platform's own, compared byte for byte and never changed in case.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

from carapace.value import Value

__all__ = [
    "DEFAULT_ACCOUNT",
    "ChannelInfo",
    "ChatType",
    "Conversation",
    "Dead",
    "Delivered",
    "EventKind",
    "InboundMedia",
    "InboundMessage",
    "LengthUnit",
    "Outgoing",
    "OutgoingKind",
    "Poll",
    "Quote",
    "Receipt",
    "ReceiptStatus",
    "ReplyRoute",
    "RetryAfter",
    "SendOutcome",
    "Sender",
    "Target",
    "Unknown",
]

DEFAULT_ACCOUNT: Final = "default"


class ChatType(StrEnum):
    """How many people are there; what a channel cannot tell is `UNKNOWN` and treated worst."""

    DIRECT = "direct"
    GROUP = "group"
    CHANNEL = "channel"
    UNKNOWN = "unknown"


class EventKind(StrEnum):
    """What happened; every kind passes the same authoriser (row E04)."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"
    REACTION = "reaction"
    PIN = "pin"
    MEMBER = "member"
    CALLBACK = "callback"  # a button, a card, a poll's vote


class Sender(Value, frozen=True, kw_only=True):
    """Who wrote it. Only `id` decides anything; the names are for people to read."""

    id: str
    display_name: str | None = None
    is_bot: bool = False


class Conversation(Value, frozen=True, kw_only=True):
    """Where it was written.

    Attributes:
        id: Of the room, group or direct chat.
        chat_type: How many people are there.
        thread_id: The thread in it, if any.
        space_id: The team or server it belongs to, if any.
        label: For people to read.
    """

    id: str
    chat_type: ChatType = ChatType.UNKNOWN
    thread_id: str | None = None
    space_id: str | None = None
    label: str | None = None


class InboundMedia(Value, frozen=True, kw_only=True):
    """A file that came with a message; nothing is fetched before the sender is authorised.

    Attributes:
        url: Where to fetch it, through the channel's own egress caller; or
        media_id: what is in the media store already.
        content_type: As the service claims; what it is, its content decides.
        size_bytes: As the service claims.
        filename: For people; never part of a path.
    """

    url: str | None = None
    media_id: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    filename: str | None = None


class Quote(Value, frozen=True, kw_only=True):
    """The message that this one answers; its author passes the policy as well (row E12)."""

    message_id: str
    sender_id: str | None = None
    text: str | None = None


class InboundMessage(Value, frozen=True, kw_only=True):
    """One thing that happened on a chat service.

    Attributes:
        channel: Id of the channel, e.g. `webhook`.
        account: Which of our accounts there.
        message_id: The platform's id, unique in (channel, account).
        conversation: Where.
        sender: Who.
        kind: What.
        text: As written.
        sent_at_ms: The platform's time, or None.
        mentions_us: Whether the platform says that our account is meant.
        quote: What it answers.
        media: What came with it.
        about_message_id: For edits, reactions, pins and callbacks: of which message.
        data: What else the channel wants to keep, as text.
    """

    channel: str
    account: str
    message_id: str
    conversation: Conversation
    sender: Sender
    kind: EventKind = EventKind.MESSAGE
    text: str = ""
    sent_at_ms: int | None = None
    mentions_us: bool = False
    quote: Quote | None = None
    media: tuple[InboundMedia, ...] = ()
    about_message_id: str | None = None
    data: Mapping[str, str] = msgspec.field(default_factory=dict[str, str])


class ReceiptStatus(StrEnum):
    """What became of an inbound message."""

    ACCEPTED = "accepted"  # on disk, will be answered
    DUPLICATE = "duplicate"  # was on disk already
    BUFFERED = "buffered"  # kept as context for the next message that is meant for us
    ASKED = "asked"  # a stranger: told how to be let in
    HANDLED = "handled"  # answered without the agent (a chat command)
    DROPPED = "dropped"  # refused by policy


class Receipt(Value, frozen=True, kw_only=True):
    """The answer to a channel: with it in hand the service may be told that we have it."""

    status: ReceiptStatus
    reason: str = ""
    inbox_id: int | None = None


class Target(Value, frozen=True, kw_only=True):
    """Where something is sent; messages to one conversation keep their order."""

    channel: str
    account: str
    conversation: str
    thread_id: str | None = None


class ReplyRoute(Value, frozen=True, kw_only=True):
    """How the answer to inbound messages gets back.

    Attributes:
        target: Where to.
        inbox_ids: The rows it answers; acknowledged with the answer, in one transaction.
        reply_to: The message it answers, for services that show that.
        answers: The same, whether it is shown or not.
    """

    target: Target
    inbox_ids: tuple[int, ...] = ()
    reply_to: str | None = None
    answers: str | None = None


class OutgoingKind(StrEnum):
    """What a channel is asked to do."""

    MESSAGE = "message"
    EDIT = "edit"
    DELETE = "delete"
    REACTION = "reaction"
    POLL = "poll"


class Poll(Value, frozen=True, kw_only=True):
    """What people choose from; the question is the message's text.

    Attributes:
        options: 2 to 12.
        max_selections: How many of them one person may choose.
    """

    options: tuple[str, ...]
    max_selections: int = 1


class Outgoing(Value, frozen=True, kw_only=True):
    """One thing for a channel to do: one outbox row, small enough for the service.

    Attributes:
        target: Where.
        kind: What.
        text: In the channel's own format.
        media: Ids in the media store.
        reply_to: Message it answers.
        about_message_id: For edits, deletes and reactions.
        poll: For polls, and only for them.
        idempotency_key: The same for every attempt; the service drops repeats by it if it can.
        may_be_repeat: An earlier attempt may have arrived; a channel that cannot drop repeats
            says so in what it sends.
        attempt: 1 for the first.
    """

    target: Target
    idempotency_key: str
    kind: OutgoingKind = OutgoingKind.MESSAGE
    text: str = ""
    media: tuple[str, ...] = ()
    reply_to: str | None = None
    about_message_id: str | None = None
    poll: Poll | None = None
    may_be_repeat: bool = False
    attempt: int = 1


class Delivered(Value, frozen=True, kw_only=True):
    """The service has it."""

    message_id: str | None = None


class RetryAfter(Value, frozen=True, kw_only=True):
    """The service surely does not have it, and may take it later."""

    reason: str
    after_s: float | None = None


class Dead(Value, frozen=True, kw_only=True):
    """The service will never take it."""

    reason: str


class Unknown(Value, frozen=True, kw_only=True):
    """It may have arrived: the answer was lost."""

    reason: str
    after_s: float | None = None


SendOutcome = Delivered | RetryAfter | Dead | Unknown


class LengthUnit(StrEnum):
    """In what a service counts the length of a message."""

    CHARACTERS = "characters"  # code points
    UTF16 = "utf16"
    BYTES = "bytes"  # of UTF-8


class ChannelInfo(Value, frozen=True, kw_only=True):
    """What a channel is and can.

    Attributes:
        id: Lower case, as in `channels.<id>`.
        label: For people.
        detail_label: The label where there is more room, if it has one.
        system_image: Name of a symbol of Apple's, for the native apps, if it has one.
        max_text: Longest text of one message, in `unit`.
        chat_types: Where it can be.
        drops_repeats: The service drops a second send with the same idempotency key.
        can_look_up: `Channel.look_up` can tell whether a key arrived.
        markdown: The service renders Markdown; else it is turned into plain text.
        tables: The service renders Markdown tables.
    """

    id: str
    label: str
    detail_label: str | None = None
    system_image: str | None = None
    order: int = 100
    aliases: tuple[str, ...] = ()
    max_text: int = 4_000
    unit: LengthUnit = LengthUnit.CHARACTERS
    chat_types: frozenset[ChatType] = frozenset({ChatType.DIRECT})
    drops_repeats: bool = False
    can_look_up: bool = False
    can_edit: bool = False
    can_delete: bool = False
    can_react: bool = False
    can_type: bool = False
    can_media: bool = False
    can_poll: bool = False
    markdown: bool = True
    tables: bool = False
